package media

import (
	"math/big"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var rates = []uint32{1, 44100, 48000, 88200, 96000, 176400, 192000, 352800, 384000}

// ptpTimes are from 1970 to 2106.
var ptpTimes = []int64{0, 1, 999_999_999, 1_000_000_000, 1_795_370_795_123_456_789, 4_294_967_295_999_999_999}

// TestPosition compares with arithmetic that has no limits.
func TestPosition(t *testing.T) {
	for _, rate := range rates {
		for _, ptp := range ptpTimes {
			exact := new(big.Int).Mul(big.NewInt(ptp), big.NewInt(int64(rate)))
			exact.Quo(exact, big.NewInt(second))
			got := Position(ptp, rate)
			if got != exact.Int64() {
				t.Errorf("Position(%d, %d) = %d; want %v", ptp, rate, got, exact)
			}
			due := TimeOf(got, rate)
			if due > ptp {
				t.Errorf("TimeOf(%d, %d) = %d; the sample is not due at %d then", got, rate, due, ptp)
			}
			// A sample is due at the first nanosecond at which Position tells it.
			if Position(due, rate) != got || due > 0 && Position(due-1, rate) != got-1 {
				t.Errorf("at %d Hz sample %d is due at %d, but then and 1 ns before Position tells %d and %d",
					rate, got, due, Position(due, rate), Position(due-1, rate))
			}
		}
	}
}

func FuzzPosition(f *testing.F) {
	f.Add(int64(1_795_370_795_123_456_789), uint32(48000))
	f.Fuzz(func(t *testing.T, position int64, rate uint32) {
		position &= 1<<50 - 1 // 90 years at 384 kHz
		rate = max(rate%1_000_000, 1000)
		if got := Position(TimeOf(position, rate), rate); got != position {
			t.Errorf("at %d Hz sample %d is due when Position tells %d", rate, position, got)
		}
	})
}

func TestMapping(t *testing.T) {
	const local, ptp = 5_000_000_000_000, 1_795_370_795_123_456_789
	for _, m := range []Mapping{
		{local, ptp, 1}, {local, ptp, 1 + 100e-6}, {local, ptp, 1 - 100e-6}, {Local: local, PTP: 12, Rate: 1.000001},
	} {
		if got := m.PTPAt(m.Local); got != m.PTP {
			t.Errorf("%+v: PTPAt(its own) = %d", m, got)
		}
		if got := m.LocalAt(m.PTP); got != m.Local {
			t.Errorf("%+v: LocalAt(its own) = %d", m, got)
		}
		for _, d := range []time.Duration{time.Nanosecond, time.Millisecond, -time.Second, time.Minute} {
			want := m.PTP + int64(d) + int64(float64(d)*(m.Rate-1))
			got := m.PTPAt(m.Local + int64(d))
			if got != want {
				t.Errorf("%+v: PTPAt(%v later) = %d; want %d", m, d, got, want)
			}
			if back := m.LocalAt(got) - (m.Local + int64(d)); max(back, -back) > 1 {
				t.Errorf("%+v: there and back over %v is off by %d ns", m, d, back)
			}
		}
	}
}

func TestNow(t *testing.T) {
	read := func() int64 {
		var ts unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts); err != nil {
			t.Fatal(err)
		}
		return ts.Nano()
	}
	before := read()
	now := Now()
	wrong := started.width/2 + 1
	if after := read(); now < before-wrong || now > after+wrong {
		t.Errorf("Now() = %d between %d and %d", now, before, after)
	}
	if n := testing.AllocsPerRun(100, func() { Now() }); n != 0 {
		t.Errorf("Now allocates %v times", n)
	}
}
