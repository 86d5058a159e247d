// Command bench measures what the project promises and prints it as one table. Each
// figure is set against a peer measured in the same run, or against a budget.
//
// The boot is measured by the guest's own clock, which starts with the kernel: what
// firmware and boot loader take is not ours. Where U-Boot starts the system, it is
// measured from U-Boot's first line, as its script and the slot file are ours. The peer is the same kernel under the
// same emulator with a Go program that does nothing as its whole system. The two
// take turns, and the medians are compared, because machines are shared and noisy.
//
// aes67d is measured apart from the image, in network namespaces of this host, with the
// driver that moves no audio. Its REST API takes turns with an HTTP server that does
// nothing but write and answer as many bytes.
//
// Audio is measured in network namespaces, too, with the real driver: packets as they come
// out of a cable, beside GStreamer and PipeWire doing the same, the clock beside ptp4l, and
// how long samples take. docs/performance.md tells how each figure comes about.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"aes67os/board"
	"aes67os/firmware/build"
	"aes67os/firmware/inspect"
	"aes67os/firmware/qemu"
	"aes67os/init/api"
	"aes67os/test/stalls"
	"aes67os/test/vm"
)

func main() {
	stalls.Serve()
	name := flag.String("board", board.All()[0].Name, "the board")
	runs := flag.Int("runs", 5, "how often to boot each system")
	long := flag.Bool("long", false, "measure the latency of audio for 10 minutes, not 20 seconds")
	only := flag.String("only", "", "measure only the `part` system, which boots the image, daemon or audio, which need root, or of the latter only audio/streams, audio/clock, audio/latency or audio/appliance")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	parts := []part{
		{"system", func(ctx context.Context) error { return runSystem(ctx, *name, *runs) }},
		{"daemon", runDaemon},
		{"audio/streams", runStreams},
		{"audio/clock", runClock},
		{"audio/latency", func(ctx context.Context) error { return runLatency(ctx, *long) }},
		{"audio/appliance", func(ctx context.Context) error { return runAppliance(ctx, *long) }},
	}
	if err := run(ctx, parts, *only); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// part is something that can be measured by itself.
type part struct {
	name string
	run  func(context.Context) error
}

// run measures the parts that have this name, or one that begins so up to a slash; all if
// it is empty.
func run(ctx context.Context, parts []part, only string) error {
	done := 0
	for _, p := range parts {
		if only != "" && p.name != only && !strings.HasPrefix(p.name, only+"/") {
			continue
		}
		if done++; done > 1 {
			fmt.Println()
		}
		if err := p.run(ctx); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if done == 0 {
		return fmt.Errorf("there is no part %q", only)
	}
	return nil
}

// row is a line of the table.
type row struct {
	what         string
	value, limit float64
	unit         string
}

func runSystem(ctx context.Context, name string, runs int) error {
	b, err := board.ByName(name)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "aes67os-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	o := build.Options{Board: b, Source: ".", Out: dir, Cache: build.DefaultCache(), Progress: io.Discard}

	progress("build the image, with everything cached that can be")
	began := time.Now()
	image, err := build.Image(ctx, o)
	if err != nil {
		return err
	}
	buildTime := time.Since(began).Seconds()
	packed, err := os.Stat(image.Compressed)
	if err != nil {
		return err
	}
	bare, err := buildBare(ctx, o, dir)
	if err != nil {
		return err
	}
	o.Debug = true
	debug, err := build.Image(ctx, o)
	if err != nil {
		return err
	}

	rows := []row{
		{"warm image build", buildTime, 15, "s"},
		{"compressed image", float64(packed.Size()) / 1e6, 60, "MB"},
	}
	sizes, err := inspect.Inspect(ctx, image.Image, nil)
	if err != nil {
		return err
	}
	rows = append(rows,
		row{"slot file", float64(sizes.Slots[0].Size) / 1e6, 45, "MB"},
		row{"initramfs, unpacked", float64(sizes.Slots[0].Unpacked) / 1e6, 120, "MB"})
	if b.QEMU.Binary == "" {
		progress("")
		print(rows)
		fmt.Printf("\nQEMU has no machine that is like %s: boot and memory are not measured\n", b.Name)
		return nil
	}

	// The first boot makes the file system for settings; it is measured apart.
	first, err := bootPage(ctx, b, image.Image, true)
	if err != nil {
		return err
	}
	var bareTimes, pageTimes boots
	var restarts []float64
	var memory, settled float64
	for i := range runs {
		progress(fmt.Sprintf("boot %d of %d", i+1, runs))
		t, err := bootBare(ctx, b, bare)
		if err != nil {
			return err
		}
		bareTimes = append(bareTimes, t)
		page, err := bootPage(ctx, b, image.Image, false)
		if err != nil {
			return err
		}
		pageTimes = append(pageTimes, page.boot)
		memory, settled = max(memory, used(page.first)), max(settled, used(page.settled))
	}
	progress("kill aes67d")
	for range 3 {
		t, err := restart(ctx, b, debug.Image)
		if err != nil {
			return err
		}
		restarts = append(restarts, t)
	}
	progress("")

	print(append(rows,
		row{"memory of a 512 MB machine, page open", memory / 1e6, 200, "MB"},
		row{fmt.Sprintf("the same %v later", settle), settled / 1e6, 200, "MB"},
		row{"aes67d ready again after kill -9", median(restarts), 2, "s"}))
	if b.Boot == board.UEFI {
		printBoots("seconds after the kernel's start", 2, runs, bareTimes.kernel(), pageTimes.kernel(), first.boot.kernel)
	} else {
		printBoots("seconds after U-Boot's first line, by the host's clock", 2.5, runs, bareTimes.whole(), pageTimes.whole(), first.boot.whole)
	}
	return nil
}

func print(rows []row) {
	fmt.Printf("%-40s %8s %8s %7s\n", "", "measured", "limit", "ratio")
	for _, r := range rows {
		fmt.Printf("%-40s %8.2f %8.2f %7.2f  %s\n", r.what, r.value, r.limit, r.value/r.limit, r.unit)
	}
}

// printBoots compares the appliance with its peer.
func printBoots(what string, limit float64, runs int, bare, page []float64, first float64) {
	fmt.Printf("\nboot, %s, median of %d (in brackets: min–max)\n", what, runs)
	fmt.Printf("  %-38s %8.2f    [%.2f–%.2f]\n", "same kernel, empty init: powers off", median(bare), slices.Min(bare), slices.Max(bare))
	fmt.Printf("  %-38s %8.2f    [%.2f–%.2f]\n", "aes67os: page answers", median(page), slices.Min(page), slices.Max(page))
	fmt.Printf("  %-38s %8.2f    once\n", "aes67os: page answers, first boot", first)
	fmt.Printf("  %-38s %8.2f    limit %.2f\n", "ratio", median(page)/median(bare), limit)
}

// buildBare builds the image of the peer.
func buildBare(ctx context.Context, o build.Options, dir string) (string, error) {
	program := filepath.Join(dir, "bare")
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "./test/bench/bare")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOARCH="+o.Board.GOARCH)
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the empty init: %w\n%s", err, out)
	}
	init, err := os.ReadFile(program)
	if err != nil {
		return "", err
	}
	image := filepath.Join(dir, "bare.img")
	return image, build.Bare(ctx, o, init, image)
}

const (
	memoryMB    = 512
	bootTimeout = 3 * time.Minute
)

// start starts a machine, the same for all systems.
func start(ctx context.Context, b board.Board, image string, keep bool, serial io.Writer, input io.Reader, args ...string) (*qemu.Machine, func(), error) {
	dir, err := os.MkdirTemp("", "aes67os-bench-vm-")
	if err != nil {
		return nil, nil, err
	}
	m, err := qemu.Start(ctx, qemu.Config{
		Board: b, Image: image, Keep: keep, MemoryMB: memoryMB, Dir: dir, Serial: serial, Input: input,
		Forward: map[int]int{vm.PagePort: 0}, Args: args,
	})
	if err != nil {
		os.RemoveAll(dir)
		return nil, nil, err
	}
	return m, func() {
		_ = m.Kill()
		os.RemoveAll(dir)
	}, nil
}

// boot is how long a start took, in seconds: kernel from the kernel's start on, by its
// own clock, and whole from the first line of U-Boot on, where there is one, by the host's.
type boot struct{ kernel, whole float64 }

type boots []boot

func (b boots) kernel() (all []float64) {
	for _, t := range b {
		all = append(all, t.kernel)
	}
	return all
}

func (b boots) whole() (all []float64) {
	for _, t := range b {
		all = append(all, t.whole)
	}
	return all
}

// firstLine waits for the boot loader to say something and returns when that was.
func firstLine(ctx context.Context, b board.Board, serial *vm.Serial) (time.Time, error) {
	if b.Boot != board.UBoot {
		return time.Now(), nil
	}
	_, err := serial.Wait(ctx, `U-Boot 20`)
	return time.Now(), err
}

// bootBare returns when the machine went down again.
func bootBare(ctx context.Context, b board.Board, image string) (boot, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	serial := vm.NewSerial()
	_, end, err := start(ctx, b, image, false, serial, nil)
	if err != nil {
		return boot{}, err
	}
	defer end()
	began, err := firstLine(ctx, b, serial)
	if err != nil {
		return boot{}, err
	}
	found, err := serial.Wait(ctx, `\[ *([0-9.]+)\] reboot: Power down`)
	if err != nil {
		return boot{}, err
	}
	whole := time.Since(began).Seconds()
	kernel, err := strconv.ParseFloat(found[1], 64)
	return boot{kernel, whole}, err
}

// page is the appliance when its page has answered, and after it was left alone for a while.
type page struct {
	first, settled api.Status
	boot           boot
}

// used is how much of the machine's memory is, in bytes.
func used(s api.Status) float64 { return float64(memoryMB<<20) - float64(s.Memory.Available) }

// settle is how long it is left alone: until all that is loaded later is there, and until the kernel
// has taken back what it had freed. It keeps that at the processor for some seconds, up to an
// eighth of all memory, and counts it as used.
const settle = 15 * time.Second

// bootPage starts the appliance. With keep it then switches the machine off in good
// order, and what that has written stays.
func bootPage(ctx context.Context, b board.Board, image string, keep bool) (page, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	serial := vm.NewSerial()
	m, end, err := start(ctx, b, image, keep, serial, nil)
	if err != nil {
		return page{}, err
	}
	defer end()
	began, err := firstLine(ctx, b, serial)
	if err != nil {
		return page{}, err
	}
	// QEMU accepts connections before the guest can, and then takes seconds to try
	// again: asking too early would measure that.
	const ready = `(?s)webui is ready.*got 10\.0|got 10\.0.*webui is ready`
	if _, err := serial.Wait(ctx, ready); err != nil {
		return page{}, err
	}
	if _, err := vm.Get(ctx, m, "/"); err != nil {
		return page{}, err
	}
	whole := time.Since(began).Seconds()
	status, err := vm.Fetch[api.Status](ctx, m, "/api/system/status")
	p := page{first: status, boot: boot{status.Uptime, whole}}
	if err != nil {
		return p, err
	}
	// That may have come before what was waited for.
	const all = "all services are ready"
	if !strings.Contains(serial.Text(), all) {
		if _, err := serial.Wait(ctx, all); err != nil {
			return p, err
		}
	}
	time.Sleep(settle)
	if p.settled, err = vm.Fetch[api.Status](ctx, m, "/api/system/status"); err != nil || !keep {
		return p, err
	}
	for {
		// The button's driver comes only after the page.
		if err := m.Command(ctx, "system_powerdown", nil); err != nil {
			return p, err
		}
		select {
		case <-m.Done():
			return p, m.Wait()
		case <-time.After(5 * time.Second):
		}
	}
}

// restart kills aes67d and returns how long after that it was ready again, in seconds
// of the guest's log.
func restart(ctx context.Context, b board.Board, image string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, bootTimeout)
	defer cancel()
	serial := vm.NewSerial()
	keys, typed := io.Pipe()
	defer typed.Close()
	m, end, err := start(ctx, b, image, false, serial, keys)
	if err != nil {
		return 0, err
	}
	defer end()
	if _, err := serial.Wait(ctx, `all services are ready`); err != nil {
		return 0, err
	}
	services, err := vm.Fetch[[]api.Service](ctx, m, "/api/system/services")
	if err != nil {
		return 0, err
	}
	i := slices.IndexFunc(services, func(s api.Service) bool { return s.Name == "aes67d" })
	if i < 0 {
		return 0, errors.New("there is no service aes67d")
	}
	if _, err := fmt.Fprintf(typed, "kill -9 %d\r", services[i].PID); err != nil {
		return 0, err
	}
	var at [2]float64
	for i, pattern := range []string{`\[ *([0-9.]+)\] init: aes67d was killed by signal 9`, `\[ *([0-9.]+)\] init: aes67d is ready`} {
		found, err := serial.Wait(ctx, pattern)
		if err != nil {
			return 0, err
		}
		if at[i], err = strconv.ParseFloat(found[1], 64); err != nil {
			return 0, err
		}
	}
	return at[1] - at[0], nil
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

// progress shows what is going on, and takes it away in the end.
func progress(what string) { fmt.Fprintf(os.Stderr, "\r\033[K%s", what) }
