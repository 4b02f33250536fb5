// nsfwd accepts connections in the network namespace it is started in and makes each one go on from inside another:
//
//	nsfwd /proc/PID/ns/net 127.0.0.1:0=172.30.0.1:6443 ...
//
// It prints the address it listens on for each mapping, one per line and in order. A socket belongs to the namespace of
// the thread that opened it, so neither an interface nor a route nor a rule is made on the host.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	dialTimeout = 3 * time.Second
	diallers    = 4
)

type dial struct {
	address string
	result  chan<- *net.TCPConn
}

func main() {
	if len(os.Args) < 3 {
		fail("usage: nsfwd NAMESPACE LISTEN=TARGET ...")
	}
	namespace, err := os.Open(os.Args[1])
	if err != nil {
		fail(err)
	}

	dials := make(chan dial)
	entered := make(chan error)
	for range diallers {
		go serveDials(int(namespace.Fd()), dials, entered)
		if err := <-entered; err != nil {
			fail(err)
		}
	}
	for _, mapping := range os.Args[2:] {
		from, to, found := strings.Cut(mapping, "=")
		if !found {
			fail("not LISTEN=TARGET: " + mapping)
		}
		listener, err := net.Listen("tcp4", from)
		if err != nil {
			fail(err)
		}
		fmt.Println(listener.Addr())
		go accept(listener, to, dials)
	}
	select {}
}

func fail(reason any) {
	fmt.Fprintln(os.Stderr, "nsfwd:", reason)
	os.Exit(1)
}

// serveDials enters the namespace with a thread of its own, which therefore is never given back.
func serveDials(namespace int, dials <-chan dial, entered chan<- error) {
	runtime.LockOSThread()
	if _, _, errno := syscall.RawSyscall(setnsNumber, uintptr(namespace), syscall.CLONE_NEWNET, 0); errno != 0 {
		entered <- fmt.Errorf("cannot enter the network namespace: %w", errno)
		return
	}
	entered <- nil

	// One address and no fallback: the dialler then opens the socket on this thread.
	dialler := net.Dialer{Timeout: dialTimeout, FallbackDelay: -1}
	for request := range dials {
		connection, err := dialler.Dial("tcp4", request.address)
		if err != nil {
			request.result <- nil
			continue
		}
		request.result <- connection.(*net.TCPConn)
	}
}

func accept(listener net.Listener, target string, dials chan<- dial) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		go forward(connection.(*net.TCPConn), target, dials)
	}
}

func forward(near *net.TCPConn, target string, dials chan<- dial) {
	defer near.Close()
	result := make(chan *net.TCPConn)
	dials <- dial{target, result}
	far := <-result
	if far == nil {
		return
	}
	defer far.Close()

	sent := make(chan struct{})
	go func() {
		io.Copy(far, near)
		far.CloseWrite()
		close(sent)
	}()
	io.Copy(near, far)
	near.CloseWrite()
	<-sent
}
