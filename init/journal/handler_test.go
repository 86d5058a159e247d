package journal

import (
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"

	"aes67os/init/api"
)

func TestHandler(t *testing.T) {
	j := New(Options{})
	log := slog.New(j.Handler("init", slog.LevelDebug))
	log.Debug("look", "path", "/sys")
	log.Info("link up", "interface", "eth0", "speed", 1000)
	log.Warn("no lease", "err", errors.New("i/o timeout"), "wait", 3*time.Second)
	log.With("disk", "mmcblk0").WithGroup("fs").Error("damaged", "type", "ext4")
	log.Info("two\nlines")
	log.Info("level", "level", "x", "msg", "y", "time", "z")
	want := []string{
		"1 init debug look path=/sys",
		"2 init info link up interface=eth0 speed=1000",
		`3 init warning no lease err="i/o timeout" wait=3s`,
		"4 init error damaged disk=mmcblk0 fs.type=ext4",
		"5 init info two lines",
		"6 init info level level=x msg=y time=z",
	}
	if diff := cmp.Diff(want, texts(j.Entries(api.LogQuery{}))); diff != "" {
		t.Error(diff)
	}
}

func TestHandlerLevel(t *testing.T) {
	j := New(Options{})
	slog.New(j.Handler("init", nil)).Debug("unseen")
	if got := j.Entries(api.LogQuery{}); len(got) != 0 {
		t.Errorf("below the level, but appended: %v", got)
	}
}

// The handler keeps all rules of slog for attributes and groups.
func TestHandlerConforms(t *testing.T) {
	var j *Journal
	slogtest.Run(t, func(t *testing.T) slog.Handler {
		j = New(Options{})
		return j.Handler("init", nil)
	}, func(t *testing.T) map[string]any {
		entry := j.Entries(api.LogQuery{})[0]
		// An entry has a time even if the record has none, as the case named
		// zero-time does not want it.
		result := map[string]any{slog.LevelKey: entry.Severity, slog.MessageKey: "message"}
		if !strings.HasSuffix(t.Name(), "zero-time") {
			result[slog.TimeKey] = entry.Time
		}
		rest, found := strings.CutPrefix(entry.Text, "message")
		if !found {
			rest, found = strings.CutPrefix(entry.Text, "msg")
			result[slog.MessageKey] = "msg"
		}
		if !found {
			t.Fatalf("entry %q does not begin with its message", entry.Text)
		}
		for _, field := range strings.Fields(rest) {
			name, value, _ := strings.Cut(field, "=")
			group := result
			path := strings.Split(name, ".")
			for _, p := range path[:len(path)-1] {
				inner, ok := group[p].(map[string]any)
				if !ok {
					inner = map[string]any{}
					group[p] = inner
				}
				group = inner
			}
			group[path[len(path)-1]] = value
		}
		return result
	})
}
