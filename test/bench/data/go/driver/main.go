// The driver plays engine, visitors and Service for one relay at a time, so that nothing but the relay differs between runs. It
// says where it listens in one JSON line, says so when the relay's tunnel is online, and then obeys commands, one JSON object
// per line on stdin, with one line of answer each. CPU time and memory of the relay are read by whoever started both.
package main

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"syscall"
	"time"

	"rstream-operator/test/bench/data/go/wire"
)

// command is what stdin says.
type command struct {
	// open, transfer, stall, drain, latency or close
	Do          string `json:"do"`
	Streams     int    `json:"streams"`
	AtOnce      int    `json:"atOnce"`
	Bytes       int64  `json:"bytes"`
	FromService bool   `json:"fromService"`
}

// answer is what stdout says to each.
type answer struct {
	Error   string    `json:"error,omitempty"`
	Seconds float64   `json:"seconds"`
	Bytes   int64     `json:"bytes"`
	Times   []float64 `json:"times,omitempty"`
	// The driver's own CPU time, to see that it is not what limits.
	CPUSeconds float64 `json:"cpuSeconds"`
}

func main() {
	token := flag.String("token", "T", "the token the relay must show")
	flag.Parse()
	certificate, ca, err := selfSigned()
	if err != nil {
		log.Fatal(err)
	}
	engines, services := listen(), listen()
	e := newEngine(*token)
	s := &service{hold: make(chan struct{})}
	go e.serve(engines, &tls.Config{Certificates: []tls.Certificate{certificate}, NextProtos: []string{wire.ALPN}})
	go s.serve(services)

	say(map[string]any{"engine": engines.Addr().String(), "target": services.Addr().String(), "ca": string(ca)})
	go func() {
		<-e.online
		say(map[string]any{"online": true})
	}()
	v := &visitors{engine: e, service: s}
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		var c command
		if err := json.Unmarshal(lines.Bytes(), &c); err != nil {
			log.Fatal(err)
		}
		say(obey(v, c))
	}
}

func obey(v *visitors, c command) answer {
	before, started := cpuSeconds(), time.Now()
	var result answer
	var err error
	switch c.Do {
	case "open":
		err = v.open(c.Streams)
	case "transfer":
		var took time.Duration
		took, err = v.transfer(c.FromService, c.Bytes)
		result.Seconds, result.Bytes = took.Seconds(), c.Bytes
	case "stall":
		result.Bytes, err = v.stall(c.FromService, c.Bytes)
	case "drain":
		err = v.drain(c.Bytes)
	case "latency":
		var times []time.Duration
		times, err = v.latency(c.Streams, max(1, c.AtOnce))
		for _, t := range times {
			result.Times = append(result.Times, float64(t.Microseconds())/1000)
		}
	case "close":
		v.close()
	default:
		err = fmt.Errorf("no command %q", c.Do)
	}
	if err != nil {
		result.Error = err.Error()
	}
	if result.Seconds == 0 {
		result.Seconds = time.Since(started).Seconds()
	}
	result.CPUSeconds = cpuSeconds() - before
	return result
}

func listen() net.Listener {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	return listener
}

func say(line any) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		log.Fatal(err)
	}
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano()).Seconds()
}
