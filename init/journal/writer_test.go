package journal

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"aes67os/init/api"
)

func TestWriter(t *testing.T) {
	long := strings.Repeat("x", 2*MaxLine)
	tests := map[string]struct {
		writes []string
		want   []string
	}{
		"lines":                {[]string{"one\ntwo\n"}, []string{"1 a info one", "2 a info two"}},
		"in pieces":            {[]string{"o", "ne\nt", "wo", "\n"}, []string{"1 a info one", "2 a info two"}},
		"no newline at end":    {[]string{"one\ntwo"}, []string{"1 a info one", "2 a info two"}},
		"empty lines":          {[]string{"\n\none\n\n"}, []string{"1 a info one"}},
		"nothing":              {nil, nil},
		"a long line":          {[]string{long + "\nnext\n"}, []string{"1 a info " + long[:MaxLine-6] + " [cut]", "2 a info next"}},
		"a long line in parts": {[]string{long[:5000], long, "\nnext\n"}, []string{"1 a info " + long[:MaxLine-6] + " [cut]", "2 a info next"}},
		"priorities":           {[]string{"<3>bad\n<4>odd\n<6>fine\n"}, []string{"1 a error bad", "2 a warning odd", "3 a info fine"}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			j := New(Options{})
			w := j.Writer("a", api.Info)
			for _, s := range test.writes {
				if n, err := w.Write([]byte(s)); n != len(s) || err != nil {
					t.Fatalf("Write = %d, %v; want %d, nil", n, err, len(s))
				}
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, texts(j.Entries(api.LogQuery{}))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestParseLine(t *testing.T) {
	tests := map[string]struct {
		line     string
		severity api.Severity
		text     string
	}{
		"plain":                  {"hello", api.Warning, "hello"},
		"priority 0":             {"<0>x", api.Error, "x"},
		"priority 5":             {"<5>x", api.Info, "x"},
		"priority 7":             {"<7>x", api.Debug, "x"},
		"no priority 8":          {"<8>x", api.Warning, "<8>x"},
		"only a priority":        {"<3>", api.Error, ""},
		"half a priority":        {"<3", api.Warning, "<3"},
		"markup":                 {"<b>x", api.Warning, "<b>x"},
		"slog":                   {`time=2026-01-02T03:04:05.678Z level=ERROR msg="no PTP master" domain=0 err="i/o timeout"`, api.Error, `no PTP master domain=0 err="i/o timeout"`},
		"slog, one word":         {`time=2026-01-02T03:04:05.678Z level=WARN msg=late`, api.Warning, "late"},
		"slog, no time":          {`level=DEBUG msg="tick tock"`, api.Debug, "tick tock"},
		"slog, between levels":   {`level=INFO+1 msg=x`, api.Info, "x"},
		"slog, source":           {`level=INFO source=/src/main.go:12 msg=x`, api.Info, "x"},
		"slog, quotes inside":    {`level=INFO msg="say \"hi\"\nthere" a=1`, api.Info, "say \"hi\" there a=1"},
		"slog, broken quotes":    {`level=INFO msg="say`, api.Info, `"say`},
		"not slog, no message":   {"level=ERROR battery", api.Warning, "level=ERROR battery"},
		"not slog, other levels": {"level=high msg=x", api.Warning, "level=high msg=x"},
		"panic":                  {"panic: runtime error: index out of range", api.Error, "panic: runtime error: index out of range"},
		"fatal error":            {"fatal error: all goroutines are asleep - deadlock!", api.Error, "fatal error: all goroutines are asleep - deadlock!"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			severity, text := parseLine(test.line, api.Warning)
			if severity != test.severity || text != test.text {
				t.Errorf("parseLine(%q) = %s, %q; want %s, %q", test.line, severity, text, test.severity, test.text)
			}
		})
	}
}

func FuzzWriter(f *testing.F) {
	f.Add([]byte("<3>one\nlevel=INFO msg=\"x\" a=1\n\x1b[31m\xff"), 3)
	f.Fuzz(func(t *testing.T, b []byte, split int) {
		j := New(Options{})
		w := j.Writer("a", api.Info)
		if split < 0 || split > len(b) {
			split = 0
		}
		w.Write(b[:split])
		w.Write(b[split:])
		w.Close()
		for _, e := range j.Entries(api.LogQuery{}) {
			if e.Text == "" || len(e.Text) > MaxLine || !utf8.ValidString(e.Text) || strings.ContainsFunc(e.Text, unicode.IsControl) {
				t.Errorf("entry %q is not a clean line", e.Text)
			}
		}
	})
}
