package tuning

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"aes67os/board"
	"aes67os/init/api"
)

func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestApplyAndRead(t *testing.T) {
	root := tree(t, map[string]string{
		"proc/sys/kernel/sched_rt_runtime_us":                     "950000\n",
		"sys/devices/system/cpu/cpufreq/policy0/scaling_governor": "schedutil\n",
		"sys/devices/system/cpu/cpufreq/policy1/scaling_governor": "schedutil\n",
		"dev/cpu_dma_latency":                                     "\x00\x94\x35\x77",
		"sys/devices/system/cpu/cpu0/online":                      "1",
		"sys/devices/system/cpu/cpu1/online":                      "1",
		"sys/devices/system/cpu/cpufreq/ignored":                  "",
		"proc/sys/net/ipv4/igmp_max_memberships":                  "20\n",
		"proc/irq/default_smp_affinity":                           "3\n",
	})
	tuner := New(root, []board.Setting{
		{Kind: board.Sysctl, Name: "kernel.sched_rt_runtime_us", Value: "1000000", Why: "a"},
		{Kind: board.Sysctl, Name: "net.ipv4.igmp_max_memberships", Value: "66", Why: "b"},
		{Kind: board.Sysctl, Name: "kernel.not_there", Value: "0", Why: "c"},
		{Kind: board.Sysfs, Name: "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor", Value: "performance", Why: "d"},
		{Kind: board.Sysfs, Name: "/sys/not/there*", Value: "x", Why: "e"},
		{Kind: board.Latency, Name: "/dev/cpu_dma_latency", Value: "10", Why: "f"},
		{Kind: board.AudioCPU, Name: "core kept for audio", Value: "4", Why: "g"},
	})
	for _, s := range tuner.Read() {
		if s.OK && s.Got != "not on this machine" && s.Name != "core kept for audio" {
			t.Errorf("before Apply: %+v is OK", s)
		}
	}
	tuner.Apply()
	got := tuner.Read()
	for i := range got {
		if got[i].Error != "" {
			got[i].Error = "some"
		}
	}
	want := []api.Setting{
		{Name: "kernel.sched_rt_runtime_us", Want: "1000000", Got: "1000000", OK: true, Why: "a"},
		{Name: "net.ipv4.igmp_max_memberships", Want: "66", Got: "66", OK: true, Why: "b"},
		{Name: "kernel.not_there", Want: "0", OK: false, Why: "c", Error: "some"},
		{Name: "/sys/devices/system/cpu/cpufreq/policy*/scaling_governor", Want: "performance", Got: "performance", OK: true, Why: "d"},
		{Name: "/sys/not/there*", Want: "x", Got: "not on this machine", OK: true, Why: "e"},
		{Name: "/dev/cpu_dma_latency", Want: "at most 10 µs", Got: "10 µs", OK: true, Why: "f"},
		{Name: "core kept for audio", Want: "one of 4 or more", Got: "shared: there are 2", OK: true, Why: "g"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("settings (-want +got):\n%s", diff)
	}
}

// A value that another program has changed since must show.
func TestReadShowsWhatIs(t *testing.T) {
	const file = "proc/sys/kernel/timer_migration"
	root := tree(t, map[string]string{file: "1\n"})
	tuner := New(root, []board.Setting{{Kind: board.Sysctl, Name: "kernel.timer_migration", Value: "0"}})
	tuner.Apply()
	if s := tuner.Read()[0]; !s.OK {
		t.Fatalf("after Apply: %+v", s)
	}
	if err := os.WriteFile(filepath.Join(root, file), []byte("1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if s := tuner.Read()[0]; s.OK || s.Got != "1" {
		t.Errorf("after a change by others: %+v; want not OK, got 1", s)
	}
}

func TestCPUMask(t *testing.T) {
	for n, want := range map[int]string{1: "1", 3: "7", 31: "7fffffff", 32: "ffffffff", 33: "1,ffffffff", 71: "7f,ffffffff,ffffffff"} {
		if got := cpuMask(n); got != want {
			t.Errorf("cpuMask(%d) = %q; want %q", n, got, want)
		}
	}
}
