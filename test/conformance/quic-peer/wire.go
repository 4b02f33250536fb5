package main

import (
	"encoding/binary"
	"errors"
	"io"

	"google.golang.org/protobuf/encoding/protowire"
)

// Numbers of the envelope's payloads.
const (
	openControlReq  = 1
	openControlRsp  = 2
	closeControlReq = 3
	closeControlRsp = 4
	openTunnelReq   = 5
	openTunnelRsp   = 6
	proxyConnReq    = 9
	proxyConnRsp    = 10
	proxyReq        = 11
	heartbeat       = 15
	datagramClose   = 17
)

// message is a protobuf message by field number: the last value of each, bytes or a number.
type message struct {
	bytes   map[protowire.Number][]byte
	numbers map[protowire.Number]uint64
}

func parse(b []byte) (message, error) {
	m := message{map[protowire.Number][]byte{}, map[protowire.Number]uint64{}}
	for len(b) > 0 {
		number, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return m, protowire.ParseError(n)
		}
		b = b[n:]
		switch kind {
		case protowire.BytesType:
			value, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return m, protowire.ParseError(n)
			}
			m.bytes[number], b = value, b[n:]
		case protowire.VarintType:
			value, n := protowire.ConsumeVarint(b)
			if n < 0 {
				return m, protowire.ParseError(n)
			}
			m.numbers[number], b = value, b[n:]
		default:
			n := protowire.ConsumeFieldValue(number, kind, b)
			if n < 0 {
				return m, protowire.ParseError(n)
			}
			b = b[n:]
		}
	}
	return m, nil
}

// child is the message in a field; an empty one when there is none.
func (m message) child(number protowire.Number) message {
	child, err := parse(m.bytes[number])
	if err != nil {
		return message{}
	}
	return child
}

// wrapped is the text in a StringValue.
func (m message) wrapped(number protowire.Number) string {
	return string(m.child(number).bytes[1])
}

func field(number protowire.Number, value []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(nil, number, protowire.BytesType), value)
}

func text(number protowire.Number, value string) []byte { return field(number, []byte(value)) }

func wrap(number protowire.Number, value string) []byte { return field(number, text(1, value)) }

func flagged(number protowire.Number, value bool) []byte {
	return field(number, varint(1, protowire.EncodeBool(value)))
}

func varint(number protowire.Number, value uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(nil, number, protowire.VarintType), value)
}

func join(parts ...[]byte) []byte {
	var all []byte
	for _, part := range parts {
		all = append(all, part...)
	}
	return all
}

// send writes one frame with one payload of the envelope.
func send(w io.Writer, payload protowire.Number, fields ...[]byte) error {
	body := field(payload, join(fields...))
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	_, err := w.Write(append(frame, body...))
	return err
}

// receive reads one frame; the payload's number, and the payload.
func receive(r io.Reader) (protowire.Number, message, error) {
	var header [4]byte
	if _, err := io.ReadFull(r, header[:]); err != nil {
		return 0, message{}, err
	}
	length := binary.BigEndian.Uint32(header[:])
	if length > 65_535 {
		return 0, message{}, errors.New("the frame is too large")
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return 0, message{}, err
	}
	envelope, err := parse(body)
	if err != nil {
		return 0, message{}, err
	}
	for number := range envelope.bytes {
		payload, err := parse(envelope.bytes[number])
		return number, payload, err
	}
	return 0, message{}, nil
}

func clientDetails(token string) []byte {
	fields := join(wrap(1, "quic-go"), wrap(3, "1.0.0"), wrap(7, "1.4.5"))
	if token != "" {
		fields = join(fields, wrap(6, token))
	}
	return field(1, fields)
}
