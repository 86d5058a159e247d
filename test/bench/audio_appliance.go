package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"aes67os/board"
	"aes67os/driver/userspace/realtime"
	"aes67os/firmware/build"
	"aes67os/test/vm"
)

// runAppliance measures the latency on the appliance's image, over the guest's loopback
// interface and beside its aes67d. Time passes there by what the guest does: whatever else
// the host does makes nothing late, as it would be on hardware of its own.
func runAppliance(ctx context.Context, long bool) error {
	length := lengthOfLatency(long)
	return measure(ctx, func(t *runner) {
		b := board.All()[0]
		progress("build the image with a shell, with everything cached that can be")
		image, err := build.Image(ctx, build.Options{Board: b, Source: ".", Out: t.TempDir(), Cache: build.DefaultCache(), Progress: io.Discard, Debug: true})
		if err != nil {
			t.Fatal(err)
		}
		l, took, err := guestLatency(ctx, t, b, image.Image, length)
		if err != nil {
			t.Fatal(err)
		}
		progress("")
		l.printTimes("in the appliance on QEMU, with a clock of its own", length)
		var lost int64
		for _, n := range l.Wrong {
			lost += n
		}
		fmt.Printf("  %-38s %8d of %d, limit 0\n", "samples lost", lost, l.Samples)
		fmt.Printf("  %-38s %8.1f s\n", "it took the host", took.Seconds())
	})
}

// guestLatency runs both endpoints in a guest.
func guestLatency(ctx context.Context, t *runner, b board.Board, image string, length time.Duration) (l latency, took time.Duration, err error) {
	// Emulation takes longer than what is emulated, depending on what else the host does.
	ctx, cancel := context.WithTimeout(ctx, bootTimeout+20*length)
	defer cancel()
	args, err := vm.Drive(ctx, b, "./test/bench/endpoint", t.TempDir())
	if err != nil {
		return l, 0, err
	}
	serial := vm.NewSerial()
	keys, typed := io.Pipe()
	defer typed.Close()
	progress("boot")
	_, end, err := start(ctx, b, image, false, serial, keys, append(args, vm.OwnTime...)...)
	if err != nil {
		return l, 0, err
	}
	defer end()
	if _, err := serial.Wait(ctx, `all services are ready`); err != nil {
		return l, 0, err
	}
	progress(fmt.Sprintf("latency in the appliance, %v", length))
	began := time.Now()
	for _, line := range []string{
		vm.Install,
		fmt.Sprintf("GODEBUG=%s %s -send -receive %v -interface lo -local 127.0.0.1 239.69.1.2:5004", realtime.GODEBUG, vm.Program, length),
	} {
		if _, err := io.WriteString(typed, line+"\r"); err != nil {
			return l, 0, err
		}
	}
	found, err := serial.Wait(ctx, `(?s)\{"Begin.*\}|endpoint: [^\r]*\r`)
	if err != nil {
		return l, 0, fmt.Errorf("%w\n%s", err, serial.Text())
	}
	if err := json.Unmarshal([]byte(found[0]), &l); err != nil {
		return l, 0, fmt.Errorf("the guest says %s: %w", found[0], err)
	}
	return l, time.Since(began), nil
}
