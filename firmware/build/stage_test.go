package build

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

var errStage = errors.New("no more room")

// buildStages runs two stages, of which the second may fail, on a clock of its own.
func buildStages(t *testing.T, live bool, end error) (out string, err error) {
	t.Helper()
	synctest.Test(t, func(*testing.T) {
		var b strings.Builder
		s := newStages(&b)
		s.live = live
		err = errors.Join(
			s.run("fetch", func(progress func(string)) (string, error) {
				time.Sleep(150 * time.Millisecond)
				progress(" 10 %")
				progress(" 11 %") // too soon to be seen
				time.Sleep(1350 * time.Millisecond)
				return "two packages", nil
			}),
			s.run("compress", func(func(string)) (string, error) {
				time.Sleep(20 * time.Second)
				return "34.0 MB", end
			}))
		if err == nil {
			s.finish()
		}
		out = b.String()
	})
	return out, err
}

// line is a stage's line; people and scripts find the columns at the same place.
func line(name, summary, seconds string) string {
	return name + strings.Repeat(" ", 11-len(name)) + summary + strings.Repeat(" ", 79+6-len(summary)-len(seconds)) + seconds + " s\n"
}

func TestStages(t *testing.T) {
	const clear = "\r\033[K"
	for _, test := range []struct {
		name string
		live bool
		end  error
		want string
	}{
		{"to a file", false, nil, line("fetch", "two packages", "1.5") + line("compress", "34.0 MB", "20.0") + line("all", "", "21.5")},
		{"to a file, failing", false, errStage, line("fetch", "two packages", "1.5")},
		{"to a terminal", true, nil,
			clear + "fetch      …" + clear + "fetch       10 %" + clear + line("fetch", "two packages", "1.5") +
				clear + "compress   …" + clear + line("compress", "34.0 MB", "20.0") + line("all", "", "21.5")},
		{"to a terminal, failing", true, errStage,
			clear + "fetch      …" + clear + "fetch       10 %" + clear + line("fetch", "two packages", "1.5") +
				clear + "compress   …" + clear},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := buildStages(t, test.live, test.end)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("stages print (-want +got):\n%s", diff)
			}
			if !errors.Is(err, test.end) {
				t.Errorf("error is %v; want %v", err, test.end)
			}
			if test.end != nil && err.Error() != "compress: no more room" {
				t.Errorf("error is %q; want it to name the stage", err)
			}
		})
	}
}

func TestMB(t *testing.T) {
	for n, want := range map[int64]string{0: "0.0 MB", 49_999: "0.0 MB", 50_001: "0.1 MB", 577 << 20: "605.0 MB"} {
		if got := mb(n); got != want {
			t.Errorf("mb(%d) = %q; want %q", n, got, want)
		}
	}
}

func TestShare(t *testing.T) {
	var got []string
	tell := share(func(s string) { got = append(got, s) })
	tell("download linux", 0, 0) // a size that is not known must not divide
	tell("download linux", 50_000_000, 100_000_000)
	want := []string{"download linux   0 % of 0.0 MB", fmt.Sprintf("download linux  50 %% of %s", mb(100_000_000))}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("progress (-want +got):\n%s", diff)
	}
}
