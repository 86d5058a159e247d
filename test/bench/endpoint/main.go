// Command endpoint is one end of a measurement of latency, or both: the userspace driver with
// a port that puts samples in, and one that takes them out at the other end of the network.
//
//	endpoint -send -local ADDRESS GROUP:PORT
//	endpoint -receive 20s -local ADDRESS GROUP:PORT
//	endpoint -send -receive 20s -interface lo -local 127.0.0.1 GROUP:PORT
//
// Who sends is the grandmaster. Who only does so prints a line then, and goes on until it is
// killed. The others print JSON, a result. port.go tells what is measured.
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
	length := flag.Duration("receive", 0, "how `long` to take samples out, if at all")
	link := flag.String("interface", "eth0", "network `interface`")
	local := flag.String("local", "", "its `address`")
	flag.Parse()
	if err := run(*send, *length, *link, *local, flag.Arg(0)); err != nil {
		fmt.Fprintln(os.Stderr, "endpoint:", err)
		os.Exit(1)
	}
}

func run(send bool, length time.Duration, link, local, group string) error {
	from, err := netip.ParseAddr(local)
	if err != nil {
		return err
	}
	to, err := netip.ParseAddrPort(group)
	if err != nil {
		return err
	}
	sink := driver.Stream{
		Name: "latency", Codec: driver.L24, SampleRate: rate, SamplesPerPacket: 48, PayloadType: 98,
		DSCP: 34, TTL: 15, Map: []int{0, 1, 2, 3, 4, 5, 6, 7}, PlayoutDelay: linkOffset,
		Legs: []driver.Leg{{Local: from, Destination: to, SourcePort: to.Port()}},
	}
	c := driver.Config{
		Interfaces: []string{link}, SampleRate: rate, TICFrameSizeAt1FS: 48, MaxTICFrameSize: 1024,
		Program: driver.Program{Priority1: 128},
	}
	var streams []driver.Stream
	var ports []port.Port
	found := make(chan result, 1)
	if send {
		source := sink
		source.Source, source.SSRC, source.PlayoutDelay = true, 1, 0
		streams, ports = append(streams, source), append(ports, input{})
		c.Program.Priority1 = 100
	}
	if length > 0 {
		streams, ports = append(streams, sink), append(ports, &output{length: length, found: found})
	}

	ctx, stop := context.WithCancel(context.Background())
	locked, ended := make(chan struct{}, 1), make(chan error, 1)
	d := userspace.New(userspace.Options{Ports: ports, Alone: true, Log: slog.New(slog.NewTextHandler(os.Stderr, nil))})
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
	for _, s := range streams {
		if _, err := d.Add(ctx, s); err != nil {
			return err
		}
	}
	if length == 0 {
		fmt.Println("it sends")
		return <-ended
	}
	select {
	case r := <-found:
		stop()
		return errors.Join(<-ended, json.NewEncoder(os.Stdout).Encode(r))
	case err := <-ended:
		return err
	case <-time.After(length + 30*time.Second):
		return errors.New("no sample comes that was put in")
	}
}
