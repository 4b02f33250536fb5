"""Drives the official Python SDK for python-sdk.test.ts: one JSON object per line on stdout says what happened."""

import asyncio
import json
import os
import sys

from rstream import Client
from rstream.api import RstreamAPIClient, TokenCredentials, engine_from_project
from rstream.config import TLSOptions
from rstream.engine_api import TunnelFilters


def say(**facts):
    print(json.dumps(facts), flush=True)


def client(settings):
    tls = TLSOptions(
        ca_file=settings["caFile"],
        cert_file=settings.get("certFile"),
        key_file=settings.get("keyFile"),
    )
    return Client(
        engine=settings["engine"],
        token=settings.get("token"),
        tls=tls,
        read_config_file=False,
    )


async def echo(stream):
    while chunk := await stream.read(65536):
        stream.write(chunk)
        await stream.drain()
    stream.close()


async def serve(settings):
    """Opens the tunnels asked for, forwards or echoes, until stdin ends."""
    sdk = client(settings)
    control = await sdk.connect()
    tasks = []
    for options in settings["tunnels"]:
        local = options.pop("forwardTo", None)
        tunnel = await control.create_tunnel(**options)
        if local:
            tasks.append(asyncio.create_task(tunnel.forward_to("127.0.0.1", local)))
        else:
            tasks.append(asyncio.create_task(accept(tunnel)))
        say(id=tunnel.id, address=tunnel.forwarding_address,
            hostname=tunnel.properties.hostname, port=tunnel.properties.port)
    details = control.server_details
    say(ready=True, server=details.agent if details else None)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await control.close()
    say(closed=True, clean=True)
    await sdk.close()
    for task in tasks:
        task.cancel()


async def accept(tunnel):
    # The event loop holds its tasks weakly: one that nobody else holds may be collected while it waits.
    echoes = set()
    async for stream in tunnel:
        task = asyncio.create_task(echo(stream))
        echoes.add(task)
        task.add_done_callback(echoes.discard)


async def dial_once(sdk, tunnel, zero_rtt, size):
    payload = os.urandom(size)
    stream = await sdk.dial(tunnel, zero_rtt=zero_rtt)
    stream.write(payload)
    await stream.drain()
    answer = await stream.readexactly(len(payload))
    stream.close()
    await stream.wait_closed()
    return answer == payload


async def dial(settings):
    """Dials each target with and without zero-RTT, then `parallel` times at once."""
    sdk = client(settings)
    for target in settings["targets"]:
        for zero_rtt in (True, False):
            say(target=target, zeroRtt=zero_rtt, echoed=await dial_once(sdk, target, zero_rtt, 100_000))
    many = [dial_once(sdk, settings["targets"][0], index % 2 == 0, 10_000)
            for index in range(settings["parallel"])]
    say(parallel=sum(await asyncio.gather(*many)))
    await sdk.close()


async def dial_unknown(settings):
    sdk = client(settings)
    try:
        await sdk.dial("no-such-tunnel", zero_rtt=False)
    except Exception as error:  # noqa: BLE001 - the test looks at what it was
        say(code=getattr(error, "code", None), engineCode=getattr(error, "engine_code", None))
    stream = await sdk.dial("no-such-tunnel", zero_rtt=True)
    try:
        say(bytes=len(await stream.read()))
    except ConnectionError:
        say(bytes=0)
    await sdk.close()


async def connect(settings):
    """Connects and says how it went."""
    sdk = client(settings)
    try:
        control = await sdk.connect()
        say(connected=True)
        await control.close()
    except Exception as error:  # noqa: BLE001
        say(connected=False, code=getattr(error, "code", None), engineCode=getattr(error, "engine_code", None))
    await sdk.close()


async def watch(settings):
    """Says each event's type until `until` has been seen."""
    sdk = client(settings)
    async with sdk.watch(transport=settings["transport"]) as events:
        async for event in events:
            body = event.object or {}
            say(type=event.type, id=body.get("id"), name=body.get("name"))
            if event.type == settings["until"]:
                break
    await sdk.close()


async def inventory(settings):
    sdk = client(settings)
    found = await sdk.list_tunnels(filters=TunnelFilters(labels={"team": None}), limit=10)
    for tunnel in found:
        say(name=tunnel.properties.name, labels=dict(tunnel.properties.labels), status=tunnel.status)
    clients = await sdk.list_clients()
    say(clients=[item["agent"] for item in clients])
    await sdk.close()


async def resolve(settings):
    api = RstreamAPIClient(api_url=settings["apiUrl"], credentials=TokenCredentials(settings["token"]))
    project = await api.resolve_tunnels_project(settings["endpoint"])
    say(engine=engine_from_project(project), regional=engine_from_project(project, " Eu-West-3 "))


COMMANDS = {
    "serve": serve, "dial": dial, "dial-unknown": dial_unknown, "connect": connect,
    "watch": watch, "inventory": inventory, "resolve": resolve,
}
asyncio.run(COMMANDS[sys.argv[1]](json.loads(os.environ["SDK_SETTINGS"])))
