package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// visitors are the streams that are open at the moment, each with the Service at its other end.
type visitors struct {
	engine  *engine
	service *service
	streams []*tls.Conn
}

// open adds streams, 64 at a time, and waits until the Service has answered on each.
func (v *visitors) open(count int) error {
	opened := make([]*tls.Conn, count)
	err := each(count, 64, func(i int) error {
		stream, err := v.engine.open()
		if err != nil {
			return err
		}
		opened[i] = stream
		return ask(stream)
	})
	for _, stream := range opened {
		if stream != nil {
			v.streams = append(v.streams, stream)
		}
	}
	return err
}

func (v *visitors) close() {
	close(v.service.hold)
	v.service.hold = make(chan struct{})
	for _, stream := range v.streams {
		stream.NetConn().Close()
	}
	v.streams = nil
}

// transfer moves bytes over all open streams at once and returns how long it took.
func (v *visitors) transfer(fromService bool, bytes int64) (time.Duration, error) {
	if len(v.streams) == 0 {
		return 0, errors.New("no streams are open")
	}
	share := bytes / int64(len(v.streams))
	started := time.Now()
	err := each(len(v.streams), len(v.streams), func(i int) error {
		if fromService {
			return download(v.streams[i], share)
		}
		return upload(v.streams[i], share)
	})
	return time.Since(started), err
}

func download(stream *tls.Conn, size int64) error {
	if _, err := stream.Write(request(opSend, size)); err != nil {
		return err
	}
	under(stream).readAhead()
	return discard(stream, size)
}

func upload(stream *tls.Conn, size int64) error {
	if _, err := stream.Write(request(opReceive, size)); err != nil {
		return err
	}
	conn := under(stream)
	conn.hold = true
	for left := size; left > 0; {
		n, err := stream.Write(block[:min(left, blockBytes)])
		if err != nil {
			return err
		}
		if err := conn.flush(); err != nil {
			return err
		}
		left -= int64(n)
	}
	conn.hold = false
	_, err := io.ReadFull(stream, make([]byte, 1))
	return err
}

// stall fills every stream in one direction while nobody reads at the far end, until nothing moves any more; returns how much
// was accepted.
func (v *visitors) stall(fromService bool, bytes int64) (int64, error) {
	var written atomic.Int64
	count := &written
	if fromService {
		count = &v.service.sent
		count.Store(0)
	}
	op := byte(opHold)
	if fromService {
		op = opSend
	}
	share := bytes / int64(max(1, len(v.streams)))
	for _, stream := range v.streams {
		_ = under(stream).Conn.(*net.TCPConn).SetReadBuffer(stalledBuffer)
		if _, err := stream.Write(request(op, share)); err != nil {
			return 0, err
		}
		if !fromService {
			go fill(stream, share, count)
		}
	}
	return steady(count), nil
}

// drain reads what stall left to be read.
func (v *visitors) drain(bytes int64) error {
	share := bytes / int64(max(1, len(v.streams)))
	return each(len(v.streams), len(v.streams), func(i int) error {
		return discard(v.streams[i], share)
	})
}

func fill(stream *tls.Conn, size int64, count *atomic.Int64) {
	for size > 0 {
		n, err := stream.Write(block[:min(size, 16*1024)])
		count.Add(int64(n))
		if err != nil {
			return
		}
		size -= int64(n)
	}
}

// steady waits until the number has not moved for half a second.
func steady(count *atomic.Int64) int64 {
	before, same := int64(-1), 0
	for same < 10 {
		time.Sleep(50 * time.Millisecond)
		now := count.Load()
		if now == before && now > 0 {
			same++
		} else {
			same = 0
		}
		before = now
	}
	return before
}

// latency opens and closes streams, so many at a time, and returns the times from request to first byte, sorted.
func (v *visitors) latency(count, atOnce int) ([]time.Duration, error) {
	times := make([]time.Duration, count)
	err := each(count, atOnce, func(i int) error {
		started := time.Now()
		stream, err := v.engine.open()
		if err != nil {
			return err
		}
		defer stream.Close()
		if err := ask(stream); err != nil {
			return err
		}
		times[i] = time.Since(started)
		return nil
	})
	slices.Sort(times)
	return times, err
}

func under(stream *tls.Conn) *batched {
	return stream.NetConn().(*batched)
}

// ask exchanges one byte with the Service.
func ask(stream *tls.Conn) error {
	if _, err := stream.Write(request(opAnswer, 0)); err != nil {
		return err
	}
	if _, err := io.ReadFull(stream, make([]byte, 1)); err != nil {
		return fmt.Errorf("the Service did not answer: %w", err)
	}
	return nil
}

// each runs work 0 to count-1, at most atOnce at a time, and returns the first error.
func each(count, atOnce int, work func(i int) error) error {
	var all sync.WaitGroup
	var next atomic.Int64
	errs := make(chan error, atOnce)
	for range min(atOnce, count) {
		all.Go(func() {
			for i := int(next.Add(1)) - 1; i < count; i = int(next.Add(1)) - 1 {
				if err := work(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	all.Wait()
	close(errs)
	return <-errs
}
