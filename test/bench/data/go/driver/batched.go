package main

import (
	"bufio"
	"net"
)

// batched is a connection under TLS that reads ahead and, between hold and flush, collects what is written. crypto/tls makes
// one system call or two per record; with these the driver spends less than any relay does and never is what limits.
type batched struct {
	net.Conn
	reader *bufio.Reader
	held   []byte
	hold   bool
}

func newBatched(conn net.Conn) *batched {
	return &batched{Conn: conn, reader: bufio.NewReaderSize(conn, 4096)}
}

// readAhead makes reads large from now on.
func (b *batched) readAhead() {
	if b.reader.Size() < blockBytes {
		// What the small one holds is read first.
		b.reader = bufio.NewReaderSize(b.reader, blockBytes)
	}
}

func (b *batched) Read(p []byte) (int, error) {
	return b.reader.Read(p)
}

func (b *batched) Write(p []byte) (int, error) {
	if !b.hold {
		return b.Conn.Write(p)
	}
	b.held = append(b.held, p...)
	return len(p), nil
}

// flush sends what was collected.
func (b *batched) flush() error {
	_, err := b.Conn.Write(b.held)
	b.held = b.held[:0]
	return err
}
