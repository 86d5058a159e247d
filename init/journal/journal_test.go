package journal

import (
	"fmt"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/google/go-cmp/cmp"

	"aes67os/init/api"
)

// texts returns entries as "seq service severity text".
func texts(entries []api.LogEntry) []string {
	var lines []string
	for _, e := range entries {
		lines = append(lines, fmt.Sprintf("%d %s %s %s", e.Seq, e.Service, e.Severity, e.Text))
	}
	return lines
}

func TestAppend(t *testing.T) {
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	j := New(Options{Now: func() time.Time { return at }})
	j.Append("init", api.Info, "one\n\n  two  \n")
	j.Append("init", api.Info, " \n")
	j.Append("aes67d", api.Error, "three")
	want := []api.LogEntry{
		{Seq: 1, Time: at, Service: "init", Severity: api.Info, Text: "one"},
		{Seq: 2, Time: at, Service: "init", Severity: api.Info, Text: "two"},
		{Seq: 3, Time: at, Service: "aes67d", Severity: api.Error, Text: "three"},
	}
	if diff := cmp.Diff(want, j.Entries(api.LogQuery{})); diff != "" {
		t.Error(diff)
	}
}

func TestEntries(t *testing.T) {
	j := New(Options{MaxEntries: 6})
	for i := range 9 {
		j.Append([]string{"a", "b", "c"}[i%3], api.Info, fmt.Sprint(i+1))
	}
	tests := map[string]struct {
		query api.LogQuery
		want  string
	}{
		"all that is kept":          {api.LogQuery{}, "4 5 6 7 8 9"},
		"one service":               {api.LogQuery{Service: "b"}, "5 8"},
		"no such service":           {api.LogQuery{Service: "x"}, ""},
		"since":                     {api.LogQuery{Since: 7}, "8 9"},
		"since before the oldest":   {api.LogQuery{Since: 2}, "4 5 6 7 8 9"},
		"since the newest":          {api.LogQuery{Since: 9}, ""},
		"since of an earlier boot":  {api.LogQuery{Since: 10}, "4 5 6 7 8 9"},
		"tail":                      {api.LogQuery{Tail: 2}, "8 9"},
		"tail longer than the ring": {api.LogQuery{Tail: 20}, "4 5 6 7 8 9"},
		"tail of a service":         {api.LogQuery{Service: "c", Tail: 1}, "9"},
		"tail within since":         {api.LogQuery{Since: 8, Tail: 3}, "9"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, e := range j.Entries(test.query) {
				got = append(got, e.Text)
			}
			if got := strings.Join(got, " "); got != test.want {
				t.Errorf("Entries(%+v) = %q; want %q", test.query, got, test.want)
			}
		})
	}
}

func TestEntriesIsNeverNull(t *testing.T) {
	if New(Options{}).Entries(api.LogQuery{}) == nil {
		t.Error("nil would be null in JSON; want an empty list")
	}
}

func TestBounds(t *testing.T) {
	one := int(unsafe.Sizeof(record{})) + 100
	tests := map[string]struct {
		options Options
		want    int
	}{
		"entries":                        {Options{MaxEntries: 7}, 7},
		"bytes":                          {Options{MaxBytes: 5*one + one/2}, 5},
		"an entry larger than the bound": {Options{MaxBytes: 10}, 1},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := New(test.options)
			for range 1000 {
				j.Append("a", api.Info, strings.Repeat("x", 100))
				if j.bytes != len(j.records)*one {
					t.Fatalf("counted %d bytes in %d records of %d", j.bytes, len(j.records), one)
				}
			}
			got := j.Entries(api.LogQuery{})
			if len(got) != test.want {
				t.Errorf("kept %d entries, want %d", len(got), test.want)
			}
			if last := got[len(got)-1].Seq; last != 1000 {
				t.Errorf("the last is %d, want 1000", last)
			}
		})
	}
}

func TestClean(t *testing.T) {
	tests := map[string]struct{ text, want string }{
		"plain":             {"link up: 1000 Mbit/s", "link up: 1000 Mbit/s"},
		"other scripts":     {"größer als 50 µs · 音声", "größer als 50 µs · 音声"},
		"space at the ends": {"\t a\tb \r\n", "a b"},
		"colours":           {"\x1b[1;31merror\x1b[0m here", "error here"},
		"cut off colour":    {"a\x1b[1;3", "a"},
		"broken colour":     {"a\x1b[1\x07b", "a\uFFFDb"},
		"bell and backspace": {"a\x07b\x08c",
			"a\uFFFDb\uFFFDc"},
		"bare escape":       {"a\x1bc", "a\uFFFDc"},
		"C1 control":        {"a\u009bb", "a\uFFFDb"},
		"reversed writing":  {"a\u202etxt.exe", "a\uFFFDtxt.exe"},
		"not UTF-8":         {"a\xff\xfeb", "a\uFFFD\uFFFDb"},
		"as long as can be": {strings.Repeat("x", MaxLine), strings.Repeat("x", MaxLine)},
		"too long":          {strings.Repeat("x", MaxLine+1), strings.Repeat("x", MaxLine-6) + " [cut]"},
		"cut between runes": {"x" + strings.Repeat("é", MaxLine), "x" + strings.Repeat("é", (MaxLine-7)/2) + " [cut]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Clean(test.text)); diff != "" {
				t.Error(diff)
			}
		})
	}
}
