package main

import (
	"context"
	"os"
	"slices"
	"time"

	"aes67os/test/aes67d"
)

// runDaemon measures aes67d with the driver that moves no audio.
func runDaemon(ctx context.Context) error {
	dir, err := os.MkdirTemp("", "aes67os-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	progress("build aes67d")
	program, err := aes67d.Build(ctx, dir, false)
	if err != nil {
		return err
	}
	var rest rest
	var sap, mdns []time.Duration
	err = measure(ctx, func(t *runner) {
		rest = measureREST(t, program)
		sap, mdns = measureDiscovery(t, program)
	})
	if err != nil {
		return err
	}
	progress("")
	print([]row{
		{"REST, p99 of all calls", ms(percentile(rest.daemon.all(), 99)), 5, "ms"},
		{"source found by SAP, worst of 10", slices.Max(sap).Seconds(), 2, "s"},
		{"source found by SAP, median", percentile(sap, 50).Seconds(), 2, "s"},
		{"source found by mDNS and RTSP, worst of 10", slices.Max(mdns).Seconds(), 2, "s"},
		{"source found by mDNS and RTSP, median", percentile(mdns, 50).Seconds(), 2, "s"},
	})
	rest.print()
	return nil
}
