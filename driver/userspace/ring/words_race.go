//go:build race

package ring

import "sync/atomic"

func put(line, samples []int32) int {
	n := min(len(line), len(samples))
	for i, s := range samples[:n] {
		atomic.StoreInt32(&line[i], s)
	}
	return n
}

func get(into, line []int32) int {
	n := min(len(into), len(line))
	for i := range into[:n] {
		into[i] = atomic.LoadInt32(&line[i])
	}
	return n
}

func wipe(line []int32) {
	for i := range line {
		atomic.StoreInt32(&line[i], 0)
	}
}
