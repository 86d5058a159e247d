package lenient

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

type codec string

// stream has every kind of field that there is in the API.
type stream struct {
	ID      int    `json:"id"`
	Enabled bool   `json:"enabled"`
	Name    string `json:"name"`
	Codec   codec  `json:"codec"`
	TTL     uint8  `json:"ttl"`
	Shift   int16  `json:"shift"`
	Delay   uint32 `json:"delay,omitempty"`
	Version uint64 `json:"version"`
	Map     []int  `json:"map"`
	Secret  string `json:"-"`
	Untold  string
}

type streams struct {
	Sources []stream `json:"sources"`
	Last    struct {
		Port uint16 `json:"port"`
	} `json:"last"`
}

func TestUnmarshal(t *testing.T) {
	before := stream{Name: "before", TTL: 15, Secret: "s", Untold: "u", Map: []int{9}}
	with := func(change func(*stream)) stream {
		s := before
		change(&s)
		return s
	}
	for _, test := range []struct {
		name, data string
		required   []string
		want       stream
		err        string
	}{
		{name: "nothing given", data: ` {} `, want: before},
		{name: "as it should be", data: `{"id": 3, "enabled": true, "name": "a\"b\u00e9", "codec": "L24", "ttl": 255, "shift": -32768,
			"delay": 4294967295, "version": 9007199254740993, "map": [0, 1]}`,
			want: with(func(s *stream) {
				*s = stream{3, true, "a\"bé", "L24", 255, -32768, 4294967295, 9007199254740993, []int{0, 1}, "s", "u"}
			})},
		{name: "everything is text", data: `{"id": "3", "enabled": "true", "ttl": " 15 ", "shift": "-1", "map": ["0", "+1"]}`,
			want: with(func(s *stream) { s.ID, s.Enabled, s.TTL, s.Shift, s.Map = 3, true, 15, -1, []int{0, 1} })},
		{name: "boolean 1", data: `{"enabled": 1}`, want: with(func(s *stream) { s.Enabled = true })},
		{name: "boolean 0", data: `{"enabled": "0"}`, want: before},
		{name: "text is a number", data: `{"name": 7.50}`, want: with(func(s *stream) { s.Name = "7.50" })},
		{name: "text is a boolean", data: `{"name": true}`, want: with(func(s *stream) { s.Name = "true" })},
		{name: "the last of two", data: `{"ttl": "x", "name": "a", "ttl": 2}`, want: with(func(s *stream) { s.Name, s.TTL = "a", 2 })},
		{name: "unknown members and other letters", data: `{"Name": "x", "nom": {"a": [1]}, "Untold": "x", "-": "x", "": "x"}`, want: before},
		{name: "an empty array", data: `{"map": []}`, want: with(func(s *stream) { s.Map = []int{} })},
		{name: "null for an empty array", data: `{"map": null}`, want: with(func(s *stream) { s.Map = []int{} })},
		{name: "required is there", data: `{"name": ""}`, required: []string{"name"}, want: with(func(s *stream) { s.Name = "" })},

		{name: "missing", data: `{"id": 1}`, required: []string{"id", "name"}, err: `error parsing JSON: name is missing`},
		{name: "too much", data: `{"ttl": 256}`, err: `error parsing JSON: ttl must be a whole number from 0 to 255, not 256`},
		{name: "too little", data: `{"ttl": "-1"}`, err: `error parsing JSON: ttl must be a whole number from 0 to 255, not "-1"`},
		{name: "16 bits", data: `{"shift": 32768}`, err: `error parsing JSON: shift must be a whole number from -32768 to 32767, not 32768`},
		{name: "32 bits", data: `{"delay": 4294967296}`, err: `error parsing JSON: delay must be a whole number from 0 to 4294967295, not 4294967296`},
		{name: "64 bits", data: `{"id": 9223372036854775808}`, err: `error parsing JSON: id must be a whole number, not 9223372036854775808`},
		{name: "64 bits without sign", data: `{"version": -1}`, err: `error parsing JSON: version must be a whole number of at least 0, not -1`},
		{name: "a fraction", data: `{"id": 1.5}`, err: `error parsing JSON: id must be a whole number, not 1.5`},
		{name: "no number", data: `{"ttl": ""}`, err: `error parsing JSON: ttl must be a whole number from 0 to 255, not ""`},
		{name: "no number at all", data: `{"ttl": {}}`, err: `error parsing JSON: ttl must be a whole number from 0 to 255, not an object`},
		{name: "no boolean", data: `{"enabled": 2}`, err: `error parsing JSON: enabled must be true or false, not 2`},
		{name: "boolean null", data: `{"enabled": null}`, err: `error parsing JSON: enabled must be true or false, not null`},
		{name: "no string", data: `{"name": [1]}`, err: `error parsing JSON: name must be a string, not an array`},
		{name: "string null", data: `{"name": null}`, err: `error parsing JSON: name must be a string, not null`},
		{name: "no array", data: `{"map": "0,1"}`, err: `error parsing JSON: map must be an array, not "0,1"`},
		{name: "in an array", data: `{"map": [0, true]}`, err: `error parsing JSON: map[1] must be a whole number, not true`},
		{name: "a long text", data: `{"ttl": "` + strings.Repeat("é", 100) + `"}`,
			err: `error parsing JSON: ttl must be a whole number from 0 to 255, not "` + strings.Repeat("é", 39) + `...`},
		{name: "no object", data: ` [1]`, err: `error parsing JSON: must be an object, not an array`},
		{name: "null", data: `null`, err: `error parsing JSON: must be an object, not null`},
		{name: "nothing", data: ``, err: `error parsing JSON at line 1: unexpected end of JSON input`},
		{name: "cut off", data: "{\n\"name\":\n\n", err: `error parsing JSON at line 4: unexpected end of JSON input`},
		{name: "no JSON", data: "{\n\"name\": 'x'}\n", err: `error parsing JSON at line 2: invalid character '\'' looking for beginning of value`},
		{name: "more after it", data: "{}\n{}\n", err: `error parsing JSON at line 2: invalid character '{' after top-level value`},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := before
			err := Unmarshal([]byte(test.data), &got, test.required...)
			want := test.want
			if test.err != "" {
				want = before
				if e, ok := errors.AsType[*Error](err); !ok || e.Error() != test.err {
					t.Errorf("error %v; want %s", err, test.err)
				}
			} else if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestUnmarshalNested(t *testing.T) {
	required := []string{"sources", "sources.name"}
	for _, test := range []struct{ data, err string }{
		{`{"sources": [{"name": "a"}, {"name": "b", "map": [1]}], "last": {"port": "5004"}}`, ""},
		{`{"last": {}}`, "error parsing JSON: sources is missing"},
		{`{"sources": [{"name": "a"}, {}]}`, "error parsing JSON: sources[1].name is missing"},
		{`{"sources": [{"name": "a", "map": [1, 2, "three"]}]}`, `error parsing JSON: sources[0].map[2] must be a whole number, not "three"`},
		{`{"sources": [7]}`, "error parsing JSON: sources[0] must be an object, not 7"},
		{`{"sources": [], "last": {"port": 65536}}`, "error parsing JSON: last.port must be a whole number from 0 to 65535, not 65536"},
	} {
		var got streams
		err := Unmarshal([]byte(test.data), &got, required...)
		if test.err != "" {
			if err == nil || err.Error() != test.err {
				t.Errorf("%s: %v; want %s", test.data, err, test.err)
			}
			continue
		}
		want := streams{Sources: []stream{{Name: "a"}, {Name: "b", Map: []int{1}}}}
		want.Last.Port = 5004
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", test.data, err, diff)
		}
	}
}

func TestMembers(t *testing.T) {
	got, err := Members([]byte(`{"b": [ 1, 2 ], "a": {"x": null}, "b": 3}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Member{{"b", json.RawMessage("3")}, {"a", json.RawMessage(`{"x": null}`)}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, data := range []string{"", "[]", "{}}"} {
		if _, err := Members([]byte(data)); err == nil {
			t.Errorf("Members(%q) = nil; want an error", data)
		}
	}
}

// FuzzUnmarshal checks that whatever is accepted survives being written and read again,
// and that whatever is not has a reason.
func FuzzUnmarshal(f *testing.F) {
	f.Add([]byte(`{"sources": [{"id": 0, "enabled": "true", "name": "ALSA Source 0", "codec": "L16", "ttl": "15", "map": [0, "1"]}], "last": {"port": 5004}}`))
	f.Add([]byte(`{"last": {"port": 1, "port": 2}, "Last": null, "sources": []}`))
	f.Add([]byte("{\"sources\": [\n{\"name\": \"\\ud800\", \"version\": 1e2}]"))
	f.Add([]byte(`[null]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var got, again streams
		err := Unmarshal(data, &got, "sources")
		if err != nil {
			if e, ok := errors.AsType[*Error](err); !ok || e.Reason == "" {
				t.Errorf("error %#v; want one with a reason", err)
			}
			return
		}
		written, err := json.Marshal(got)
		if err != nil {
			t.Fatal(err)
		}
		if err := Unmarshal(written, &again); err != nil {
			t.Fatalf("its own output: %v", err)
		}
		if diff := cmp.Diff(got, again, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("written and read again (-want +got):\n%s", diff)
		}
	})
}
