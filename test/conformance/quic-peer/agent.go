package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
)

// agent is a client of an engine: it opens two private tunnels, go-bytes and go-packets, and echoes what comes through them.
type agent struct {
	engine  *quic.Conn
	control *quic.Stream
}

func runAgent(ctx context.Context, f flags) error {
	config, err := tlsConfig(f, alpn)
	if err != nil {
		return err
	}
	connection, err := quic.DialAddr(ctx, f.engine, config, quicConfig())
	if err != nil {
		return err
	}
	defer connection.CloseWithError(0, "done")
	control, err := connection.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	a := &agent{engine: connection, control: control}
	if err := send(control, openControlReq, clientDetails(f.token)); err != nil {
		return err
	}
	_, opened, err := receive(control)
	if err != nil {
		return err
	}
	if failure, refused := opened.bytes[2]; refused {
		reason, _ := parse(failure)
		return fmt.Errorf("refused: %d %s", reason.numbers[1], reason.wrapped(2))
	}
	tunnels := map[string]string{}
	for name, kind := range map[string]string{"go-bytes": "bytestream", "go-packets": "datagram"} {
		properties := join(wrap(3, name), wrap(4, kind), flagged(5, false))
		if err := send(control, openTunnelReq, text(1, name), field(2, properties)); err != nil {
			return err
		}
		_, answer, err := receive(control)
		if err != nil {
			return err
		}
		tunnels[answer.child(2).wrapped(1)] = kind
	}
	go a.echoPackets(ctx)
	report(map[string]any{"client": string(opened.child(1).bytes[1]), "tunnels": len(tunnels)})
	return a.serve(ctx, tunnels)
}

func (a *agent) serve(ctx context.Context, tunnels map[string]string) error {
	for {
		kind, payload, err := receive(a.control)
		if err != nil {
			return err
		}
		if kind != proxyConnReq {
			continue
		}
		id := string(payload.bytes[2])
		if tunnels[string(payload.bytes[1])] == "bytestream" {
			if err := a.dialBack(ctx, id, payload.wrapped(3)); err != nil {
				return err
			}
		} else if _, err := hex.DecodeString(strings.ReplaceAll(id, "-", "")); err != nil {
			return err
		}
		if err := send(a.control, proxyConnRsp, text(1, id)); err != nil {
			return err
		}
	}
}

func (a *agent) dialBack(ctx context.Context, id, secret string) error {
	stream, err := a.engine.OpenStreamSync(ctx)
	if err != nil {
		return err
	}
	if err := send(stream, proxyReq, clientDetails(secret), text(2, id), flagged(3, true)); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(stream, stream)
		_ = stream.Close()
	}()
	return nil
}

// echoPackets sends every datagram back as it came, channel id and all.
func (a *agent) echoPackets(ctx context.Context) {
	for {
		packet, err := a.engine.ReceiveDatagram(ctx)
		if err != nil {
			return
		}
		for a.engine.SendDatagram(packet) != nil {
			time.Sleep(time.Millisecond)
		}
	}
}
