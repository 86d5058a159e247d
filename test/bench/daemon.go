package main

import (
	"context"
	"slices"
	"time"

	"aes67os/test/aes67d"
)

// runDaemon measures aes67d with the driver that moves no audio.
func runDaemon(ctx context.Context) error {
	var rest rest
	var sap, mdns []time.Duration
	err := measure(ctx, func(t *runner) {
		program := buildDaemon(t)
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

// buildDaemon builds aes67d for as long as it is measured.
func buildDaemon(t *runner) (program string) {
	progress("build aes67d")
	program, err := aes67d.Build(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	return program
}
