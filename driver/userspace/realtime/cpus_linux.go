package realtime

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Spare is what [ParseCPUs] takes for the processors that the rest of the system leaves
// alone.
const Spare = "spare"

// maxCPU is the highest processor number there can be in a [unix.CPUSet].
const maxCPU = len(unix.CPUSet{})*64 - 1

// ParseCPUs reads processors as the kernel writes them, "2-3,5": none for "", which stands
// for any. [Spare] are those that are running and that the program, as it was started, is
// kept off; there may be none.
func ParseCPUs(text string) ([]int, error) {
	switch strings.TrimSpace(text) {
	case "":
		return nil, nil
	case Spare:
		return spare()
	}
	var cpus []int
	for part := range strings.SplitSeq(text, ",") {
		low, high, isRange := strings.Cut(strings.TrimSpace(part), "-")
		if !isRange {
			high = low
		}
		from, err := strconv.ParseUint(low, 10, 16)
		to, bad := strconv.ParseUint(high, 10, 16)
		if err != nil || bad != nil || from > to || to > uint64(maxCPU) {
			return nil, fmt.Errorf("%q is no list of processors such as 2-3,5 (up to %d), nor %q", text, maxCPU, Spare)
		}
		for cpu := from; cpu <= to; cpu++ {
			cpus = append(cpus, int(cpu))
		}
	}
	slices.Sort(cpus)
	return slices.Compact(cpus), nil
}

// spare finds the processors that are running and not ours. The main thread has kept what
// the program was started with; others may have been bound since.
func spare() ([]int, error) {
	var ours unix.CPUSet
	if err := unix.SchedGetaffinity(unix.Getpid(), &ours); err != nil {
		return nil, fmt.Errorf("cannot tell on which processors the program may run: %w", err)
	}
	online, err := onlineCPUs()
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(online, ours.IsSet), nil
}

// onlineCPUs are the processors that are running.
func onlineCPUs() ([]int, error) {
	b, err := os.ReadFile("/sys/devices/system/cpu/online")
	if err != nil {
		return nil, fmt.Errorf("cannot tell which processors are running: %w", err)
	}
	return ParseCPUs(strings.TrimSpace(string(b)))
}
