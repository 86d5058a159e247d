package send

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"testing"
	"time"

	"aes67os/driver"
	"aes67os/driver/userspace/media"
	"aes67os/driver/userspace/realtime"
	"aes67os/driver/userspace/ring"
	"aes67os/test/netns"
)

// sendFor is the variable of the environment by which the test program is told to be that which
// sends: the number of sources, of seconds, of goroutines that make garbage, and the
// priority of the whole program.
const sendFor = "AES67OS_TEST_SEND"

func TestMain(m *testing.M) {
	if arguments := os.Getenv(sendFor); arguments != "" {
		if err := sendSources(arguments); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	m.Run()
}

// sendSources sends sources of 8 channels with 1 ms packets over eth0.
func sendSources(arguments string) error {
	var sources, seconds, garbage, priority int
	if _, err := fmt.Sscan(arguments, &sources, &seconds, &garbage, &priority); err != nil {
		return err
	}
	if priority > 0 {
		if err := realtime.Program(priority); err != nil {
			return err
		}
	}
	if err := realtime.LockMemory(); err != nil {
		return err
	}
	clock := &media.Clock{}
	clock.Set(&media.Mapping{Local: media.Now(), PTP: ptpStart, Rate: 1})
	s := New(clock, slog.Default())
	ready := make(chan struct{})
	s.Ready = func() { close(ready) }
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error)
	go func() {
		done <- s.Run(ctx, []string{"eth0"}, 48000, ring.New(driver.MaxChannels, 1<<15), nil)
	}()
	<-ready
	for id := range sources {
		st := single(id)
		st.Map = []int{0, 1, 2, 3, 4, 5, 6, 7}
		if _, err := s.Add(st); err != nil {
			return err
		}
	}
	for range garbage {
		go func() {
			keep := make([][]*int, 1000)
			for i := 0; ; i++ {
				keep[i%len(keep)] = []*int{new(int), new(int), new(int)}
			}
		}()
	}
	time.Sleep(time.Duration(seconds) * time.Second)
	cancel()
	return <-done
}

// BenchmarkWire measures the gaps between the packets of a source, by the kernel's time
// of arrival at the other end of a veth cable. Each measurement lasts so many
// seconds as -benchtime has iterations: 10x. The program that sends is one of its own;
// "garbage" is made in it, "raised" has it whole at a real-time priority, and "hogs" are other
// programs, one for each processor.
func BenchmarkWire(b *testing.B) {
	for _, test := range []struct {
		name                             string
		sources, hogs, garbage, priority int
	}{
		{name: "8x8", sources: 8},
		{name: "8x8/hogs", sources: 8, hogs: runtime.NumCPU()},
		{name: "8x8/garbage", sources: 8, garbage: 1},
		{name: "8x8/raised", sources: 8, priority: 1},
		{name: "8x8/raised/hogs", sources: 8, hogs: runtime.NumCPU(), priority: 1},
		{name: "8x8/raised/garbage", sources: 8, garbage: 1, priority: 1},
		{name: "64x8", sources: 64},
		{name: "64x8/raised", sources: 64, priority: 1},
		{name: "64x8/raised/hogs", sources: 64, hogs: runtime.NumCPU(), priority: 1},
	} {
		b.Run(test.name, func(b *testing.B) {
			for range test.hogs {
				hog := exec.Command("sh", "-c", "while :; do :; done")
				if err := hog.Start(); err != nil {
					b.Fatal(err)
				}
				b.Cleanup(func() {
					hog.Process.Kill()
					hog.Wait()
				})
			}
			measureWire(b, fmt.Sprint(test.sources, b.N, test.garbage, test.priority))
		})
	}
}

func measureWire(b *testing.B, arguments string) {
	one, two := netns.Pair(b, "10.67.0.1/24", "10.67.0.2/24")
	c := newCapture(two, "eth0")
	defer c.Close()
	program, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	sender := exec.Command(program)
	sender.Env, sender.Stderr = append(os.Environ(), sendFor+"="+arguments), os.Stderr
	one.Start(sender)

	last := map[[4]byte]int64{} // by destination
	var gaps []int64
	for {
		_, at, err := c.receive(2 * time.Second)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			b.Fatal(err)
		}
		to := [4]byte(c.packet[16:20])
		if to[0] != 239 {
			continue
		}
		if before, ok := last[to]; ok {
			gaps = append(gaps, at-before)
		}
		last[to] = at
	}
	if err := sender.Wait(); err != nil {
		b.Fatal(err)
	}
	if len(gaps) == 0 {
		b.Fatal("no packets")
	}
	slices.Sort(gaps)
	at := func(share float64) float64 { return float64(gaps[int(share*float64(len(gaps)-1))]) / 1e6 }
	backToBack, _ := slices.BinarySearch(gaps, int64(100*time.Microsecond))
	b.ReportMetric(at(.5), "p50-ms")
	b.ReportMetric(at(.99), "p99-ms")
	b.ReportMetric(at(.999), "p99.9-ms")
	b.ReportMetric(at(1), "max-ms")
	b.ReportMetric(100*float64(backToBack)/float64(len(gaps)), "%back-to-back")
	b.ReportMetric(100*(sender.ProcessState.UserTime()+sender.ProcessState.SystemTime()).Seconds()/float64(b.N), "%cpu")
	b.ReportMetric(float64(len(gaps)+len(last)), "packets")
	b.ReportMetric(0, "ns/op")
}
