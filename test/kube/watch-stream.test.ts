import { expect } from 'chai';
import type { KubeClient } from '../../src/kube/client.ts';
import { configMaps } from '../../src/kube/well-known.ts';
import { line, object, text } from '../support/scripted-answers.ts';
import { ScriptedApiserver } from '../support/scripted-apiserver.ts';

describe('a watch', () => {
  let server: ScriptedApiserver;
  let client: KubeClient;
  const events = async () => {
    const seen: string[] = [];
    const options = { resourceVersion: '1', silenceMs: 60_000, signal: AbortSignal.timeout(60_000) };
    for await (const event of client.watch(configMaps, options)) seen.push(event.type);
    return seen;
  };

  beforeEach(async () => {
    server = await ScriptedApiserver.start();
    client = server.client();
  });

  afterEach(async () => {
    await server.stop();
  });

  it('skips empty lines and takes carriage returns', async () => {
    server.script('watch', text(200, `\n\r\n${line('ADDED', object('a', 2)).trimEnd()}\r\n\n`));
    expect(await events()).to.deep.equal(['ADDED']);
  });

  it('ends with an error when a line is longer than any object can be', async () => {
    server.script('watch', (response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(1024 * 1024, 'x');
      const send = () => {
        if (!response.destroyed) response.write(chunk, () => setImmediate(send));
      };
      send();
    });
    const failure = await events().catch((error: unknown) => error);
    expect(failure).to.include({ code: 'ERR_KUBE_PROTOCOL' });
    expect(failure)
      .to.have.property('message')
      .that.matches(/a line is longer than/);
  });

  it('takes in no more of an error than a little', async () => {
    server.script('watch', text(500, 'x'.repeat(10 * 1024 * 1024)));
    const failure = await events().catch((error: unknown) => error);
    expect(failure).to.include({ status: 500 });
    expect(failure).to.have.property('message').with.length(512);
  });

  it('gives up its connection when the reader leaves early', async () => {
    const left = Promise.withResolvers<void>();
    server.script('watch', (response) => {
      response.on('close', () => left.resolve());
      response.writeHead(200);
      response.write(line('ADDED', object('a', 2)));
    });
    const options = { resourceVersion: '1', silenceMs: 60_000, signal: AbortSignal.timeout(60_000) };
    for await (const event of client.watch(configMaps, options)) {
      expect(event.type).to.equal('ADDED');
      break;
    }
    await left.promise;
  });
});
