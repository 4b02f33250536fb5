// The reference: a relay with the structure every Go agent of this protocol has, and nothing else. One TLS connection to the
// engine per stream, one TCP connection to the Service, io.Copy both ways. It is what the agent's speed is compared with.
package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"os"
	"sync"
	"time"

	"rstream-operator/test/bench/data/go/wire"
)

const heartbeatEvery = 5 * time.Second

type relay struct {
	engine, target, token string
	tls                   *tls.Config
	control               net.Conn
	writing               sync.Mutex
}

func main() {
	engine := flag.String("engine", "", "HOST:PORT of the engine")
	target := flag.String("target", "", "HOST:PORT of the Service")
	caFile := flag.String("ca", "", "PEM file of the engine's authority")
	resume := flag.Bool("resume", false, "resume TLS sessions, which no Go client does unless it is told to")
	flag.Parse()

	pem, err := os.ReadFile(*caFile)
	if err != nil {
		log.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	config := &tls.Config{RootCAs: roots, NextProtos: []string{wire.ALPN}}
	if *resume {
		config.ClientSessionCache = tls.NewLRUClientSessionCache(64)
	}
	r := &relay{engine: *engine, target: *target, token: os.Getenv("RSTREAM_AUTHENTICATION_TOKEN"), tls: config}
	log.Fatal(r.run())
}

func (r *relay) run() error {
	control, err := tls.Dial("tcp", r.engine, r.tls)
	if err != nil {
		return err
	}
	r.control = control
	if err := r.open(); err != nil {
		return err
	}
	go r.beat()

	for {
		payload, request, err := wire.Read(control)
		if err != nil {
			return err
		}
		if payload == wire.ProxyConnReq {
			go r.serve(string(request[2]), request.Wrapped(3))
		}
	}
}

// open introduces the relay and asks for its tunnel.
func (r *relay) open() error {
	if err := r.send(wire.OpenControlChannelReq, wire.Builder(nil).Bytes(1, details(r.token))); err != nil {
		return err
	}
	payload, answer, err := wire.Read(r.control)
	if err != nil {
		return err
	}
	if payload != wire.OpenControlChannelRsp || answer[1] == nil {
		return errors.New("the engine refused the control channel")
	}
	tunnel := wire.Builder(nil).Wrapped(3, "bench").Wrapped(4, "bytestream")
	return r.send(wire.OpenTunnelReq, wire.Builder(nil).String(1, "1").Bytes(2, tunnel))
}

func (r *relay) beat() {
	for range time.Tick(heartbeatEvery) {
		if r.send(wire.Heartbeat, nil) != nil {
			return
		}
	}
}

func (r *relay) send(payload int, value []byte) error {
	r.writing.Lock()
	defer r.writing.Unlock()
	return wire.Write(r.control, payload, value)
}

// serve carries one stream from its request to its end.
func (r *relay) serve(id, secret string) {
	answer := wire.Builder(nil).String(1, id)
	engine, err := r.dialBack(id, secret)
	if err != nil {
		problem := wire.Builder(nil).Number(1, 6000).Wrapped(2, err.Error())
		_ = r.send(wire.ProxyConnRsp, answer.Bytes(2, problem))
		return
	}
	defer engine.Close()
	_ = r.send(wire.ProxyConnRsp, answer)

	target, err := net.Dial("tcp", r.target)
	if err != nil {
		fmt.Fprintln(os.Stderr, "the Service cannot be reached:", err)
		return
	}
	defer target.Close()
	join(engine, target.(*net.TCPConn))
}

func (r *relay) dialBack(id, secret string) (*tls.Conn, error) {
	engine, err := tls.Dial("tcp", r.engine, r.tls)
	if err != nil {
		return nil, err
	}
	zeroRTT := wire.Builder(nil).Number(1, 1)
	request := wire.Builder(nil).Bytes(1, details(secret)).String(2, id).Bytes(3, zeroRTT)
	if err := wire.Write(engine, wire.ProxyReq, request); err != nil {
		engine.Close()
		return nil, err
	}
	return engine, nil
}

// join copies both ways until both ends have come; each end goes on to the other side.
func join(engine *tls.Conn, target *net.TCPConn) {
	var both sync.WaitGroup
	both.Go(func() {
		_, _ = io.Copy(target, engine)
		_ = target.CloseWrite()
	})
	both.Go(func() {
		_, _ = io.Copy(engine, target)
		_ = engine.CloseWrite()
	})
	both.Wait()
}

func details(token string) wire.Builder {
	return wire.Builder(nil).Wrapped(1, "reference").Wrapped(6, token).Wrapped(7, wire.Version)
}
