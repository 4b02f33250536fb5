// quic-peer is the other side of our QUIC, made with quic-go: an engine for our agent, an agent for our engine, and an HTTP/3
// client and server for what runs through a datagram tunnel. It prints one JSON object per line.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/quic-go/quic-go"
)

const alpn = "rstrm/1"

type flags struct {
	cert, key, ca, engine, token, url, address string
}

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: quic-peer engine|agent|h3-server|h3-client FLAGS")
	}
	var f flags
	set := flag.NewFlagSet(os.Args[1], flag.ExitOnError)
	set.StringVar(&f.cert, "cert", "", "PEM certificate of this side")
	set.StringVar(&f.key, "key", "", "its PEM key")
	set.StringVar(&f.ca, "ca", "", "PEM authority of the other side")
	set.StringVar(&f.engine, "engine", "", "host:port to dial")
	set.StringVar(&f.token, "token", "", "account token; none: the certificate has to do")
	set.StringVar(&f.url, "url", "", "what to fetch")
	set.StringVar(&f.address, "address", "", "where the packets go instead of the URL's host")
	if err := set.Parse(os.Args[2:]); err != nil {
		log.Fatal(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	run := map[string]func(context.Context, flags) error{
		"engine": runEngine, "agent": runAgent, "h3-server": runH3Server, "h3-client": runH3Client,
	}[os.Args[1]]
	if run == nil {
		log.Fatalf("%s is not something quic-peer can be", os.Args[1])
	}
	if err := run(ctx, f); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func quicConfig() *quic.Config {
	return &quic.Config{EnableDatagrams: true, KeepAlivePeriod: 10 * time.Second, MaxIncomingStreams: 1024}
}

// tlsConfig uses whichever of certificate and authority were given.
func tlsConfig(f flags, protocols ...string) (*tls.Config, error) {
	config := &tls.Config{NextProtos: protocols, MinVersion: tls.VersionTLS13}
	if f.cert != "" {
		pair, err := tls.LoadX509KeyPair(f.cert, f.key)
		if err != nil {
			return nil, err
		}
		config.Certificates = []tls.Certificate{pair}
	}
	if f.ca != "" {
		pem, err := os.ReadFile(f.ca)
		if err != nil {
			return nil, err
		}
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("%s holds no certificate", f.ca)
		}
		config.RootCAs, config.ClientCAs = pool, pool
	}
	return config, nil
}

func report(line map[string]any) {
	text, err := json.Marshal(line)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(string(text))
}
