package main

import (
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"rstream-operator/test/bench/data/go/wire"
)

const (
	tunnelID    = "t1"
	dialBackMax = 30 * time.Second
)

// dialBack is what became of one request for a stream.
type dialBack struct {
	stream *tls.Conn
	err    error
}

// engine plays the engine for one relay: it takes its control connection, gives it one tunnel, and asks it for streams.
type engine struct {
	token    string
	online   chan struct{}
	onlineAt sync.Once

	mu      sync.Mutex
	control net.Conn
	waiting map[string]chan dialBack
	secrets map[string]string
}

func newEngine(token string) *engine {
	return &engine{
		token:   token,
		online:  make(chan struct{}),
		waiting: map[string]chan dialBack{},
		secrets: map[string]string{},
	}
}

func (e *engine) serve(listener net.Listener, config *tls.Config) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go e.accept(tls.Server(newBatched(conn), config))
	}
}

// accept tells by the first frame what a connection is for.
func (e *engine) accept(conn *tls.Conn) {
	payload, request, err := wire.Read(conn)
	if err != nil {
		conn.Close()
		return
	}
	details, _ := wire.Parse(request[1])
	switch payload {
	case wire.OpenControlChannelReq:
		e.serveControl(conn, details.Wrapped(6))
	case wire.ProxyReq:
		e.attach(conn, string(request[2]), details.Wrapped(6))
	default:
		conn.Close()
	}
}

func (e *engine) serveControl(conn *tls.Conn, token string) {
	defer conn.Close()
	if token != e.token {
		problem := wire.Builder(nil).Number(1, 1000).Wrapped(2, "the token is wrong")
		_ = wire.Write(conn, wire.OpenControlChannelRsp, wire.Builder(nil).Bytes(2, problem))
		return
	}
	e.mu.Lock()
	e.control = conn
	e.mu.Unlock()
	accepted := wire.Builder(nil).String(1, "c1")
	if e.send(wire.OpenControlChannelRsp, wire.Builder(nil).Bytes(1, accepted)) != nil {
		return
	}
	for {
		payload, message, err := wire.Read(conn)
		if err != nil || !e.handle(payload, message) {
			return
		}
	}
}

// handle answers one message of the relay; false ends the control connection.
func (e *engine) handle(payload int, message wire.Fields) bool {
	switch payload {
	case wire.OpenTunnelReq:
		properties := wire.Builder(nil).Wrapped(1, tunnelID).Wrapped(3, "bench").Wrapped(4, "bytestream")
		answer := wire.Builder(nil).Bytes(1, message[1]).Bytes(2, properties)
		if e.send(wire.OpenTunnelRsp, answer) != nil {
			return false
		}
		e.onlineAt.Do(func() { close(e.online) })
	case wire.CloseTunnelReq:
		return e.send(wire.CloseTunnelRsp, wire.Builder(nil).Bytes(1, message[1])) == nil
	case wire.CloseControlChannelReq:
		_ = e.send(wire.CloseControlChannelRsp, nil)
		return false
	case wire.ProxyConnRsp:
		if problem := message[2]; problem != nil {
			details, _ := wire.Parse(problem)
			e.settle(string(message[1]), dialBack{err: errors.New(details.Wrapped(2))})
		}
	}
	return true
}

func (e *engine) send(payload int, value []byte) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.control == nil {
		return errors.New("the relay is not connected")
	}
	return wire.Write(e.control, payload, value)
}

func (e *engine) attach(conn *tls.Conn, id, secret string) {
	e.mu.Lock()
	want, known := e.secrets[id]
	e.mu.Unlock()
	if !known || secret != want {
		conn.Close()
		return
	}
	e.settle(id, dialBack{stream: conn})
}

func (e *engine) settle(id string, result dialBack) {
	e.mu.Lock()
	waiting := e.waiting[id]
	delete(e.waiting, id)
	delete(e.secrets, id)
	e.mu.Unlock()
	if waiting != nil {
		waiting <- result
	} else if result.stream != nil {
		result.stream.Close()
	}
}

// open asks for a stream and returns it as soon as it is dialled back.
func (e *engine) open() (*tls.Conn, error) {
	id, secret := random(12), random(16)
	waiting := make(chan dialBack, 1)
	e.mu.Lock()
	e.waiting[id] = waiting
	e.secrets[id] = secret
	e.mu.Unlock()
	request := wire.Builder(nil).String(1, tunnelID).String(2, id).Wrapped(3, secret)
	if err := e.send(wire.ProxyConnReq, request); err != nil {
		return nil, err
	}
	select {
	case result := <-waiting:
		return result.stream, result.err
	case <-time.After(dialBackMax):
		return nil, fmt.Errorf("no dial-back within %v", dialBackMax)
	}
}

func random(bytes int) string {
	raw := make([]byte, bytes)
	_, _ = rand.Read(raw)
	return hex.EncodeToString(raw)
}
