package main

import (
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
)

// What a visitor asks of the Service: one letter, then a 64-bit size.
const (
	opSend    = 'S' // send size bytes
	opReceive = 'R' // take size bytes, then answer one
	opAnswer  = 'A' // answer one byte
	opHold    = 'H' // read nothing more
)

const (
	headerBytes = 9
	blockBytes  = 256 * 1024
	// Small buffers at the far ends, so that a stalled stream stalls early.
	stalledBuffer = 64 * 1024
)

var block = make([]byte, blockBytes)

// service is the Service behind the relay.
type service struct {
	// Bytes handed to the system by every opSend so far.
	sent atomic.Int64
	hold chan struct{}
}

func (s *service) serve(listener net.Listener) {
	for {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		go s.talk(conn.(*net.TCPConn))
	}
}

func (s *service) talk(conn *net.TCPConn) {
	defer conn.Close()
	header := make([]byte, headerBytes)
	for {
		if _, err := io.ReadFull(conn, header); err != nil {
			return
		}
		size := int64(binary.BigEndian.Uint64(header[1:]))
		if err := s.obey(conn, header[0], size); err != nil {
			return
		}
	}
}

func (s *service) obey(conn *net.TCPConn, op byte, size int64) error {
	switch op {
	case opSend:
		return s.send(conn, size)
	case opReceive:
		if err := discard(conn, size); err != nil {
			return err
		}
	case opHold:
		_ = conn.SetReadBuffer(stalledBuffer)
		<-s.hold
		return io.ErrClosedPipe
	}
	_, err := conn.Write([]byte{op})
	return err
}

func (s *service) send(conn net.Conn, size int64) error {
	for size > 0 {
		n, err := conn.Write(block[:min(size, blockBytes)])
		s.sent.Add(int64(n))
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

// discard reads exactly size bytes into a buffer of its own: io.Discard's are small.
func discard(from io.Reader, size int64) error {
	buffer := make([]byte, min(size, blockBytes))
	for size > 0 {
		n, err := from.Read(buffer[:min(size, blockBytes)])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}

func request(op byte, size int64) []byte {
	return binary.BigEndian.AppendUint64([]byte{op}, uint64(size))
}
