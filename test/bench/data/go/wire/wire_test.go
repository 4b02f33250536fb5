package wire

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestWritesWhatTheProtocolSays(t *testing.T) {
	cases := []struct {
		name    string
		payload int
		value   Builder
		want    string
	}{
		{"an empty message", CloseControlChannelRsp, nil, "00 00 00 02 22 00"},
		{"a heartbeat", Heartbeat, Builder(nil).Number(1, 1), "00 00 00 04 7a 02 08 01"},
		{"a stream's answer", ProxyConnRsp, Builder(nil).String(1, "s1"), "00 00 00 06 52 04 0a 02 73 31"},
		{
			"a dial-back", ProxyReq,
			Builder(nil).Bytes(1, Builder(nil).Wrapped(6, "s")).String(2, "s1").Bytes(3, Builder(nil).Number(1, 1)),
			"00 00 00 11 5a 0f 0a 05 32 03 0a 01 73 12 02 73 31 1a 02 08 01",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := Write(&out, c.payload, c.value); err != nil {
				t.Fatal(err)
			}
			if want := unhex(t, c.want); !bytes.Equal(out.Bytes(), want) {
				t.Errorf("wrote % x, want % x", out.Bytes(), want)
			}
		})
	}
}

func TestReadsExactlyOneFrame(t *testing.T) {
	request := `00 00 00 35 4a 33 0a 02 74 31 12 18 30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66 30 31 32 33 34 35 36 37
		1a 03 0a 01 73 22 05 0d 0a 02 00 c0 2a 07 0a 05 65 3a 34 34 33`
	in := bytes.NewReader(append(unhex(t, strings.Join(strings.Fields(request), "")), "payload"...))
	payload, fields, err := Read(in)
	if err != nil || payload != ProxyConnReq {
		t.Fatalf("read %d, %v", payload, err)
	}
	if got := string(fields[2]); got != "0123456789abcdef01234567" {
		t.Errorf("stream id %q", got)
	}
	if got := fields.Wrapped(3); got != "s" {
		t.Errorf("secret %q", got)
	}
	if in.Len() != len("payload") {
		t.Errorf("%d bytes are left, want those behind the frame", in.Len())
	}
}

func TestRefusesWhatIsNoMessage(t *testing.T) {
	for _, text := range []string{"00 00 00 01 ff", "00 01 00 00", "00 00 00 02 0a 05", "00 00 00 01 0f"} {
		if payload, _, err := Read(bytes.NewReader(unhex(t, text))); err == nil {
			t.Errorf("% s was read as payload %d", text, payload)
		}
	}
}
