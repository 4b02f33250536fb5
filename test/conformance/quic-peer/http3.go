package main

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// patient allows for a tunnel that is only being opened when the first packet arrives; everything else is quic-go's default.
func patient() *quic.Config {
	return &quic.Config{HandshakeIdleTimeout: 20 * time.Second}
}

// runH3Server answers every request with its method and path, and with the body's digest.
func runH3Server(ctx context.Context, f flags) error {
	config, err := tlsConfig(f, http3.NextProtoH3)
	if err != nil {
		return err
	}
	socket, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		digest := sha256.New()
		_, _ = io.Copy(digest, r.Body)
		w.Header().Set("x-protocol", r.Proto)
		w.Header().Set("x-digest", hex.EncodeToString(digest.Sum(nil)))
		_, _ = io.WriteString(w, strings.Repeat(r.Method+" "+r.URL.Path+"\n", 20_000))
	})
	server := &http3.Server{Handler: handler, TLSConfig: config, QUICConfig: patient()}
	report(map[string]any{"port": socket.LocalAddr().(*net.UDPAddr).Port})
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	return server.Serve(socket)
}

// runH3Client posts 300 kB to the URL and reports what came back.
func runH3Client(ctx context.Context, f flags) error {
	config, err := tlsConfig(f, http3.NextProtoH3)
	if err != nil {
		return err
	}
	transport := &http3.Transport{
		TLSClientConfig: config,
		QUICConfig:      patient(),
		Dial: func(ctx context.Context, address string, tlsConfig *tls.Config, quicConfig *quic.Config) (*quic.Conn, error) {
			return quic.DialAddr(ctx, f.address, tlsConfig, quicConfig)
		},
	}
	defer transport.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	body := strings.Repeat("request\n", 37_500)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, f.url, strings.NewReader(body))
	if err != nil {
		return err
	}
	response, err := transport.RoundTrip(request)
	if err != nil {
		return err
	}
	received, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	digest := sha256.Sum256([]byte(body))
	first, _, _ := strings.Cut(string(received), "\n")
	report(map[string]any{
		"status": response.StatusCode, "protocol": response.Header.Get("x-protocol"), "bytes": len(received), "first": first,
		"digestMatches": response.Header.Get("x-digest") == hex.EncodeToString(digest[:]),
	})
	return nil
}
