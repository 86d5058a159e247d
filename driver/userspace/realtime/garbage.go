package realtime

import (
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// garbage is how much of it there may be before it is collected, in bytes.
const garbage = 12 << 20

// CollectSeldom collects the program's garbage, and puts off that it is collected again, which
// Go does every two minutes at least, until there is more than a few megabytes. It is to be called
// when nothing has to be on time, and what is long-lived is there.
func CollectSeldom() {
	debug.SetGCPercent(-1)
	runtime.GC()
	used := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	metrics.Read(used)
	debug.SetMemoryLimit(int64(used[0].Value.Uint64() - used[1].Value.Uint64() + garbage))
}

// GODEBUG is the setting of that variable with which a program is to be started that calls [Program]:
// garbage is then collected all at once, while everything stands still. Otherwise that goes
// on beside the program, and Go's sweeper, while it waits for another thread to be done,
// spins: with a real-time priority until its turn is over, which is a tenth of a second, and the
// other thread may not get to run before.
const GODEBUG = "gcstoptheworld=2"

// Environment returns that of this program with [GODEBUG].
func Environment() []string {
	setting := GODEBUG
	if others := os.Getenv("GODEBUG"); others != "" {
		setting = others + "," + GODEBUG
	}
	return append(os.Environ(), "GODEBUG="+setting)
}
