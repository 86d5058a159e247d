package realtime

import (
	"runtime"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func TestParseCPUs(t *testing.T) {
	for _, c := range []struct {
		text string
		want []int
		bad  bool
	}{
		{text: ""},
		{text: "3", want: []int{3}},
		{text: "2-3,5", want: []int{2, 3, 5}},
		{text: " 5, 0-1 ,1", want: []int{0, 1, 5}},
		{text: "1023", want: []int{1023}},
		{text: "1024", bad: true},
		{text: "3-2", bad: true},
		{text: "-1", bad: true},
		{text: "1,", bad: true},
		{text: "all", bad: true},
	} {
		got, err := ParseCPUs(c.text)
		if diff := cmp.Diff(c.want, got); diff != "" || (err != nil) != c.bad {
			t.Errorf("ParseCPUs(%q): %v\n%s", c.text, err, diff)
		}
	}
}

// TestSpareCPUs has a program that is kept off some processors find them.
func TestSpareCPUs(t *testing.T) {
	got, err := ParseCPUs(Spare)
	if err != nil || len(got) != 0 {
		t.Fatalf("a program that may run anywhere has %v to spare, %v", got, err)
	}
	online, err := onlineCPUs()
	if err != nil || len(online) == 0 || len(online) < runtime.NumCPU() {
		t.Fatalf("running processors: %v, %v", online, err)
	}
	var before, first unix.CPUSet
	if err := unix.SchedGetaffinity(unix.Getpid(), &before); err != nil {
		t.Fatal(err)
	}
	first.Set(online[0])
	if err := unix.SchedSetaffinity(unix.Getpid(), &first); err != nil {
		t.Fatal(err)
	}
	defer unix.SchedSetaffinity(unix.Getpid(), &before)
	got, err = ParseCPUs(Spare)
	if diff := cmp.Diff(online[1:], got); diff != "" || err != nil {
		t.Errorf("spare processors: %v\n%s", err, diff)
	}
}
