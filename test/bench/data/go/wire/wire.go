// Package wire speaks as much of the rstream protocol as a benchmark needs: frames of a 4-byte length, and the few fields of
// protobuf messages that carry a tunnel and its streams. See src/rstream/proto/rstream.proto for the whole.
package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ALPN is the protocol every runtime connection asks for.
const ALPN = "rstrm/1"

// Version is the protocol version spoken here.
const Version = "1.4.5"

// Numbers of the payloads of Message.
const (
	OpenControlChannelReq  = 1
	OpenControlChannelRsp  = 2
	CloseControlChannelReq = 3
	CloseControlChannelRsp = 4
	OpenTunnelReq          = 5
	OpenTunnelRsp          = 6
	CloseTunnelReq         = 7
	CloseTunnelRsp         = 8
	ProxyConnReq           = 9
	ProxyConnRsp           = 10
	ProxyReq               = 11
	Heartbeat              = 15
)

const maxFrame = 65_535

// Builder collects the fields of one message.
type Builder []byte

// Bytes adds a string, bytes or message field.
func (b Builder) Bytes(field int, value []byte) Builder {
	b = binary.AppendUvarint(b, uint64(field)<<3|2)
	b = binary.AppendUvarint(b, uint64(len(value)))
	return append(b, value...)
}

// String adds a string field.
func (b Builder) String(field int, value string) Builder {
	return b.Bytes(field, []byte(value))
}

// Wrapped adds a google.protobuf.StringValue.
func (b Builder) Wrapped(field int, value string) Builder {
	return b.Bytes(field, Builder(nil).String(1, value))
}

// Number adds a varint field.
func (b Builder) Number(field int, value uint64) Builder {
	return binary.AppendUvarint(binary.AppendUvarint(b, uint64(field)<<3), value)
}

// Fields are the length-delimited fields of a message, the last of each number.
type Fields map[int][]byte

// Wrapped reads a google.protobuf.StringValue; empty when absent.
func (f Fields) Wrapped(field int) string {
	inner, err := Parse(f[field])
	if err != nil {
		return ""
	}
	return string(inner[1])
}

// Parse reads a message; numbers are skipped.
func Parse(body []byte) (Fields, error) {
	fields := Fields{}
	for len(body) > 0 {
		tag, n := binary.Uvarint(body)
		if n <= 0 {
			return nil, errors.New("a tag is cut off")
		}
		body = body[n:]
		value, rest, err := take(int(tag&7), body)
		if err != nil {
			return nil, err
		}
		if tag&7 == 2 {
			fields[int(tag>>3)] = value
		}
		body = rest
	}
	return fields, nil
}

func take(kind int, body []byte) (value, rest []byte, err error) {
	size := 0
	switch kind {
	case 0:
		_, n := binary.Uvarint(body)
		size = n
	case 1:
		size = 8
	case 2:
		length, n := binary.Uvarint(body)
		if n <= 0 || length > uint64(len(body)-n) {
			return nil, nil, errors.New("a field is cut off")
		}
		return body[n : n+int(length)], body[n+int(length):], nil
	case 5:
		size = 4
	default:
		return nil, nil, fmt.Errorf("wire type %d is unknown", kind)
	}
	if size <= 0 || size > len(body) {
		return nil, nil, errors.New("a field is cut off")
	}
	return nil, body[size:], nil
}

// Write sends one frame with one payload, in one write.
func Write(w io.Writer, payload int, value []byte) error {
	body := Builder(nil).Bytes(payload, value)
	if len(body) > maxFrame {
		return fmt.Errorf("a frame of %d bytes is too large", len(body))
	}
	frame := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(body)), uint32(len(body)))
	_, err := w.Write(append(frame, body...))
	return err
}

// Read takes exactly one frame; payload 0 means an empty or unknown message.
func Read(r io.Reader) (payload int, value Fields, err error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, nil, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > maxFrame {
		return 0, nil, fmt.Errorf("a frame of %d bytes is too large", length)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, nil, err
	}
	message, err := Parse(body)
	if err != nil {
		return 0, nil, err
	}
	for number, inner := range message {
		fields, err := Parse(inner)
		return number, fields, err
	}
	return 0, nil, nil
}
