// Command endpoint is one end of a measurement of latency: the userspace driver with a port
// that puts samples in, or one that takes them out at the other end of a cable.
//
//	endpoint -local ADDRESS -send GROUP:PORT
//	endpoint -local ADDRESS -length 20s GROUP:PORT
//
// The first is the grandmaster; it prints a line when it sends, and goes on until it is
// killed. The second prints JSON, a result. port.go tells what is measured.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace"
	"aes67os/driver/userspace/port"
)

// rate is in Hz.
const rate = 48000

func main() {
	send := flag.Bool("send", false, "put samples in")
	length := flag.Duration("length", 20*time.Second, "how long to take samples out")
	local := flag.String("local", "", "`address` of eth0")
	flag.Parse()
	if err := run(*send, *length, *local, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "endpoint:", err)
		os.Exit(1)
	}
}

func run(send bool, length time.Duration, local, group string) error {
	from, err := netip.ParseAddr(local)
	if err != nil {
		return err
	}
	to, err := netip.ParseAddrPort(group)
	if err != nil {
		return err
	}
	s := driver.Stream{
		Source: send, Name: "latency", Codec: driver.L24, SampleRate: rate, SamplesPerPacket: 48, PayloadType: 98,
		DSCP: 34, TTL: 15, Map: []int{0, 1, 2, 3, 4, 5, 6, 7},
		Legs: []driver.Leg{{Local: from, Destination: to, SourcePort: to.Port()}},
	}
	c := driver.Config{
		Interfaces: []string{"eth0"}, SampleRate: rate, TICFrameSizeAt1FS: 48, MaxTICFrameSize: 1024,
		Program: driver.Program{Priority1: 128},
	}
	found := make(chan result, 1)
	var end port.Port = &output{length: length, found: found}
	if send {
		s.SSRC, c.Program.Priority1, end = 1, 100, input{}
	} else {
		s.PlayoutDelay = linkOffset
	}

	ctx, stop := context.WithCancel(context.Background())
	locked, ended := make(chan struct{}, 1), make(chan error, 1)
	d := userspace.New(userspace.Options{Ports: []port.Port{end}, Alone: true, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
	go func() {
		ended <- d.Run(ctx, c, func(e driver.Event) {
			if ptp, ok := e.(driver.PTPStatus); ok && ptp.Lock == driver.Locked {
				select {
				case locked <- struct{}{}:
				default: // once is enough
				}
			}
		})
	}()
	defer stop()
	select {
	case <-locked:
	case err := <-ended:
		return err
	}
	if _, err := d.Add(ctx, s); err != nil {
		return err
	}
	var timeout <-chan time.Time
	if send {
		fmt.Println("it sends")
	} else {
		timeout = time.After(length + 30*time.Second)
	}
	select {
	case r := <-found:
		stop()
		return errors.Join(<-ended, json.NewEncoder(os.Stdout).Encode(r))
	case err := <-ended:
		return err
	case <-timeout:
		return errors.New("no sample comes that was put in")
	}
}
