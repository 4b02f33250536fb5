package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
)

// engine serves one client: it opens whatever tunnel is asked for and, on commands from stdin, sends bytes or packets through
// it, which the client has to echo.
type engine struct {
	client  *quic.Conn
	control *quic.Stream
	tunnels chan string
	answers chan message
	closed  chan string
	dialled chan *quic.Stream
}

func runEngine(ctx context.Context, f flags) error {
	config, err := tlsConfig(f, alpn)
	if err != nil {
		return err
	}
	if f.ca != "" {
		config.ClientAuth = tls.RequireAndVerifyClientCert
	}
	listener, err := quic.ListenAddr("127.0.0.1:0", config, quicConfig())
	if err != nil {
		return err
	}
	defer listener.Close()
	report(map[string]any{"port": listener.Addr().(*net.UDPAddr).Port})

	client, err := listener.Accept(ctx)
	if err != nil {
		return err
	}
	e := &engine{
		client: client, tunnels: make(chan string, 8), answers: make(chan message, 8),
		closed: make(chan string, 8), dialled: make(chan *quic.Stream, 8),
	}
	go e.acceptStreams(ctx)
	tunnel, err := within(ctx, e.tunnels)
	if err != nil {
		return err
	}
	subject := ""
	if chain := client.ConnectionState().TLS.PeerCertificates; len(chain) > 0 {
		subject = chain[0].Subject.CommonName
	}
	report(map[string]any{"tunnel": tunnel, "datagrams": client.ConnectionState().SupportsDatagrams.Remote, "subject": subject})

	for commands := bufio.NewScanner(os.Stdin); commands.Scan(); {
		words := strings.Fields(commands.Text())
		result, err := e.do(ctx, tunnel, words)
		if err != nil {
			result = err.Error()
		}
		report(map[string]any{"command": words[0], "result": result})
	}
	return client.CloseWithError(0, "done")
}

func (e *engine) do(ctx context.Context, tunnel string, words []string) (string, error) {
	switch words[0] {
	case "bytes":
		size, err := strconv.Atoi(words[1])
		if err != nil {
			return "", err
		}
		return e.echoBytes(ctx, tunnel, size)
	case "packets":
		return e.echoPackets(ctx, tunnel)
	case "wait-closed":
		return within(ctx, e.closed)
	}
	return "", fmt.Errorf("%s is not a command", words[0])
}

func (e *engine) acceptStreams(ctx context.Context) {
	for {
		stream, err := e.client.AcceptStream(ctx)
		if err != nil {
			return
		}
		go e.serve(stream)
	}
}

func (e *engine) serve(stream *quic.Stream) {
	for {
		kind, payload, err := receive(stream)
		if err != nil {
			return
		}
		switch kind {
		case openControlReq:
			e.control = stream
			_ = send(stream, openControlRsp, field(1, text(1, "cli_go")))
		case openTunnelReq:
			asked := payload.bytes[2]
			id := wrap(1, "tun_go")
			_ = send(stream, openTunnelRsp, field(1, payload.bytes[1]), field(2, join(asked, id)))
			e.tunnels <- "tun_go"
		case proxyConnRsp:
			e.answers <- payload
		case datagramClose:
			e.closed <- string(payload.bytes[1])
		case closeControlReq:
			_ = send(stream, closeControlRsp)
		case proxyReq:
			e.dialled <- stream
			return
		}
	}
}

// echoBytes has the client dial back, sends random bytes, half-closes, and wants the same bytes and then the end.
func (e *engine) echoBytes(ctx context.Context, tunnel string, size int) (string, error) {
	id := newID()
	if err := send(e.control, proxyConnReq, text(1, tunnel), text(2, id), wrap(3, "secret")); err != nil {
		return "", err
	}
	stream, err := within(ctx, e.dialled)
	if err != nil {
		return "", err
	}
	sent := make([]byte, size)
	_, _ = rand.Read(sent)
	go func() {
		_, _ = stream.Write(sent)
		_ = stream.Close()
	}()
	received, err := io.ReadAll(stream)
	if err != nil {
		return "", err
	}
	if !bytes.Equal(sent, received) {
		return "", fmt.Errorf("%d bytes came back, not the %d sent", len(received), size)
	}
	answer, err := within(ctx, e.answers)
	if err != nil {
		return "", err
	}
	return outcome(answer, id)
}

// echoPackets opens a datagram channel, for which nobody dials back, and wants each packet back under its id.
func (e *engine) echoPackets(ctx context.Context, tunnel string) (string, error) {
	id := newID()
	channel, _ := hex.DecodeString(id)
	if err := send(e.control, proxyConnReq, text(1, tunnel), text(2, id), wrap(3, "secret")); err != nil {
		return "", err
	}
	answer, err := within(ctx, e.answers)
	if err != nil {
		return "", err
	}
	for _, size := range []int{0, 1, 1000} {
		packet := append(bytes.Clone(channel), bytes.Repeat([]byte{7}, size)...)
		if err := e.echoPacket(ctx, packet); err != nil {
			return "", err
		}
	}
	if err := send(e.control, datagramClose, text(1, id)); err != nil {
		return "", err
	}
	return outcome(answer, id)
}

func (e *engine) echoPacket(ctx context.Context, packet []byte) error {
	for range 20 {
		if err := e.client.SendDatagram(packet); err != nil {
			return err
		}
		attempt, cancel := context.WithTimeout(ctx, time.Second)
		received, err := e.client.ReceiveDatagram(attempt)
		cancel()
		if err == nil && bytes.Equal(received, packet) {
			return nil
		}
	}
	return fmt.Errorf("a packet of %d bytes did not come back", len(packet))
}

func outcome(answer message, id string) (string, error) {
	if failure, refused := answer.bytes[2]; refused {
		reason, _ := parse(failure)
		return "", fmt.Errorf("the client refused: %s", reason.wrapped(2))
	}
	if string(answer.bytes[1]) != id {
		return "", fmt.Errorf("the client answered for stream %s", answer.bytes[1])
	}
	return "ok", nil
}

func newID() string {
	var id [12]byte
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

func within[T any](ctx context.Context, values <-chan T) (T, error) {
	var none T
	select {
	case value := <-values:
		return value, nil
	case <-ctx.Done():
		return none, ctx.Err()
	case <-time.After(30 * time.Second):
		return none, fmt.Errorf("nothing came for 30 seconds")
	}
}
