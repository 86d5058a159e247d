package realtime

import (
	"math"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestCollectSeldom makes garbage, which is not collected before there is much.
func TestCollectSeldom(t *testing.T) {
	defer debug.SetMemoryLimit(math.MaxInt64)
	defer debug.SetGCPercent(debug.SetGCPercent(100))
	CollectSeldom()
	collections := func() uint32 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.NumGC
	}
	before := collections()
	for range garbage / 2 >> 10 {
		litter = make([]byte, 1<<10)
	}
	if n := collections(); n != before {
		t.Errorf("%d collections before there is much garbage", n-before)
	}
	for range garbage * 2 >> 10 {
		litter = make([]byte, 1<<10)
	}
	if n := collections(); n == before {
		t.Error("no collection, though there is much garbage")
	}
}

var litter []byte

func TestEnvironment(t *testing.T) {
	for others, want := range map[string]string{"": "GODEBUG=gcstoptheworld=2", "gctrace=0": "GODEBUG=gctrace=0,gcstoptheworld=2"} {
		t.Setenv("GODEBUG", others)
		all := Environment()
		if got := all[len(all)-1]; got != want || len(all) < 2 {
			t.Errorf("with %q: %d variables, the last %s; want all, and %s", others, len(all), got, want)
		}
	}
}
