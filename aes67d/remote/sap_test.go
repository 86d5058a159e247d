package remote

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// example is the one in the known daemon's documentation.
func example(session, version int) string {
	return fmt.Sprintf("v=0\no=- %d %d IN IP4 10.0.0.13\ns=ALSA Source %d\nc=IN IP4 239.1.0.2/15\nt=0 0\n"+
		"m=audio 5004 RTP/AVP 98\na=rtpmap:98 L16/48000/2\n", session, version, session)
}

var origin = netip.MustParseAddr("10.0.0.13")

// table is one that counts what it tells of changes.
type table struct {
	*Table
	changes int
}

func newTable() *table {
	t := &table{}
	t.Table = New(slog.New(slog.DiscardHandler), func() { t.changes++ })
	t.SetInterval(30 * time.Second)
	return t
}

// run runs the table until the function it returns is called.
func (t *table) run() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { defer close(ended); t.Run(ctx) }()
	return func() { cancel(); <-ended }
}

// lines has for each source what tells sources apart.
func lines(t *table) []string {
	var list []string
	for _, s := range t.Sources("all") {
		_, o := describe(s.SDP)
		list = append(list, fmt.Sprintf("%s v%d %s", s.Name, o.version, s.ID))
	}
	return list
}

func TestJSON(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := newTable()
		table.Announced(0x1d61, origin, "v=0\r\ns=a\r\n", time.Now())
		time.Sleep(29500 * time.Millisecond)
		table.Announced(0x1d61, origin, "v=0\r\ns=a\r\n", time.Now())
		time.Sleep(2900 * time.Millisecond)
		got, err := json.MarshalIndent(table.Sources("all"), "", " ")
		if err != nil {
			t.Fatal(err)
		}
		// The id is the example's, which the documentation has in hexadecimal still:
		// d00000a 611d.
		want := `[
 {
  "source": "SAP",
  "id": "sap:218103818-24861",
  "name": "a",
  "domain": "",
  "address": "10.0.0.13",
  "sdp": "v=0\r\ns=a\r\n",
  "last_seen": 2,
  "announce_period": 29
 }
]`
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
		if got, err := json.Marshal(newTable().Sources("all")); err != nil || string(got) != "[]" {
			t.Errorf("an empty table is %s, %v; want []", got, err)
		}
	})
}

func TestSources(t *testing.T) {
	table := newTable()
	now := time.Now()
	table.Announced(3, origin, example(2, 0), now)
	table.Announced(2, origin, example(1, 0), now)
	table.Announced(1, netip.MustParseAddr("::ffff:10.0.0.14"), example(1, 0), now)
	table.Announced(1, netip.MustParseAddr("fe80::1"), "no SDP", now)
	i := Instance{Name: "ALSA Source 11", Domain: "local", Address: netip.MustParseAddrPort("10.0.0.13:8854")}
	table.Found(i)
	table.described(table.instances[i.key()], example(1, 0))
	names := func(kind string) (list []string) {
		for _, s := range table.Sources(kind) {
			list = append(list, s.Source+" "+s.Name+" "+s.ID+" "+s.Address)
		}
		return list
	}
	sap := []string{
		"SAP  sap:fe80::1-256 fe80::1",
		"SAP ALSA Source 1 sap:218103818-512 10.0.0.13",
		"SAP ALSA Source 1 sap:234881034-256 10.0.0.14",
	}
	last := "SAP ALSA Source 2 sap:218103818-768 10.0.0.13"
	mdns := "mDNS ALSA Source 11 rtsp:ecfd 10.0.0.13"
	for kind, want := range map[string][]string{
		"sap": append(sap[:3:3], last), "SAP": append(sap[:3:3], last),
		"mdns": {mdns}, "all": append(sap[:3:3], mdns, last), "": nil, "nmos": nil,
	} {
		if diff := cmp.Diff(want, names(kind)); diff != "" {
			t.Errorf("Sources(%q) (-want +got):\n%s", kind, diff)
		}
	}
}

// TestAnnouncements tells a table of announcements and deletions, one after another,
// and what it must hold then.
func TestAnnouncements(t *testing.T) {
	type step struct {
		after   time.Duration
		deleted bool
		hash    uint16
		from    netip.Addr
		sdp     string
		changes bool
		want    []string
	}
	const one, one2, two = "sap:218103818-256", "sap:218103818-512", "sap:218103818-768"
	other := netip.MustParseAddr("10.0.0.99")
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"repeated", []step{
			{0, false, 1, origin, example(1, 0), true, []string{"ALSA Source 1 v0 " + one}},
			{30 * time.Second, false, 1, origin, example(1, 0), false, []string{"ALSA Source 1 v0 " + one}},
		}},
		{"deleted", []step{
			{0, false, 1, origin, example(1, 0), true, []string{"ALSA Source 1 v0 " + one}},
			{0, true, 1, other, example(1, 0), false, []string{"ALSA Source 1 v0 " + one}},
			{0, true, 2, origin, example(1, 0), false, []string{"ALSA Source 1 v0 " + one}},
			{0, true, 1, origin, "", true, nil},
			{0, true, 1, origin, "", false, nil},
		}},
		{"changed, with a new hash", []step{
			{0, false, 1, origin, example(1, 0), true, []string{"ALSA Source 1 v0 " + one}},
			{0, false, 3, origin, example(2, 0), true, []string{"ALSA Source 1 v0 " + one, "ALSA Source 2 v0 " + two}},
			{0, false, 2, origin, example(1, 1), true, []string{"ALSA Source 1 v1 " + one2, "ALSA Source 2 v0 " + two}},
			{time.Second, false, 1, origin, example(1, 0), false, []string{"ALSA Source 1 v1 " + one2, "ALSA Source 2 v0 " + two}},
			{0, true, 1, origin, "o=- 1 0 IN IP4 10.0.0.13", false, []string{"ALSA Source 1 v1 " + one2, "ALSA Source 2 v0 " + two}},
		}},
		{"changed, with the old hash", []step{
			{0, false, 1, origin, example(1, 0), true, []string{"ALSA Source 1 v0 " + one}},
			{0, false, 1, origin, example(1, 1), true, []string{"ALSA Source 1 v1 " + one}},
		}},
		{"crashed and counting anew", []step{
			{0, false, 2, origin, example(1, 9), true, []string{"ALSA Source 1 v9 " + one2}},
			{30 * time.Second, false, 1, origin, example(1, 0), false, []string{"ALSA Source 1 v9 " + one2}},
			{30 * time.Second, false, 1, origin, example(1, 0), true, []string{"ALSA Source 1 v0 " + one}},
		}},
		{"somebody else's newer version", []step{
			{0, false, 1, origin, example(1, 0), true, []string{"ALSA Source 1 v0 " + one}},
			{0, false, 1, other, example(1, 1), true, []string{"ALSA Source 1 v1 sap:1660944394-256", "ALSA Source 1 v0 " + one}},
		}},
		{"one o= line for all, as ffmpeg has it", []step{
			{0, false, 1, origin, "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=a\n", true, []string{"a v0 " + one}},
			{0, false, 2, origin, "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=b\n", true, []string{"a v0 " + one, "b v0 " + one2}},
		}},
		{"no hash", []step{
			{0, false, 0, origin, example(1, 0), true, []string{"ALSA Source 1 v0 sap:218103818-0"}},
			{0, false, 0, origin, example(2, 0), true, []string{"ALSA Source 1 v0 sap:218103818-0", "ALSA Source 2 v0 sap:218103818-0-2"}},
			{0, false, 0, origin, example(1, 1), true, []string{"ALSA Source 1 v1 sap:218103818-0", "ALSA Source 2 v0 sap:218103818-0-2"}},
			{0, true, 0, origin, "o=- 2 0 IN IP4 10.0.0.13", true, []string{"ALSA Source 1 v1 sap:218103818-0"}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			table := newTable()
			now := time.Now()
			for n, step := range test.steps {
				now = now.Add(step.after)
				before := table.changes
				if step.deleted {
					table.Deleted(step.hash, step.from, step.sdp)
				} else {
					table.Announced(step.hash, step.from, step.sdp, now)
				}
				if diff := cmp.Diff(step.want, lines(table)); diff != "" {
					t.Errorf("step %d (-want +got):\n%s", n+1, diff)
				}
				if got := table.changes > before; got != step.changes {
					t.Errorf("step %d: told of a change: %t; want %t", n+1, got, step.changes)
				}
			}
		})
	}
}

// TestExpiry announces a source at these times and then no more: it must go when it
// has missed ten announcements.
func TestExpiry(t *testing.T) {
	const s = time.Second
	for _, test := range []struct {
		name   string
		at     []time.Duration
		period int64
		until  time.Duration // from the first announcement to when it goes
	}{
		{"once", []time.Duration{0}, 30, 300 * s},
		{"every minute", []time.Duration{0, 60 * s, 120 * s}, 60, 720 * s},
		{"often", []time.Duration{0, 2 * s, 4 * s}, 2, 94 * s},
		{"over two interfaces", []time.Duration{0, s / 100, 40 * s, 40*s + s/100}, 40, 440 * s},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				table := newTable()
				stop := table.run()
				defer stop()
				begin := time.Now()
				for _, at := range test.at {
					time.Sleep(time.Until(begin.Add(at)))
					table.Announced(1, origin, example(1, 0), time.Now())
				}
				if got := table.Sources("sap")[0].AnnouncePeriod; got != test.period {
					t.Errorf("announce period %d; want %d", got, test.period)
				}
				time.Sleep(time.Until(begin.Add(test.until)))
				synctest.Wait()
				if len(table.Sources("sap")) != 1 {
					t.Errorf("gone before %v", test.until)
				}
				time.Sleep(expireEvery + s)
				synctest.Wait()
				if len(table.Sources("sap")) != 0 || table.changes != 2 {
					t.Errorf("still there %v later, or nobody was told", expireEvery+s)
				}
			})
		})
	}
}

// TestFlood announces more sources than may be: the ones still announced stay.
func TestFlood(t *testing.T) {
	table := newTable()
	now := time.Now()
	for n := range maxSources {
		table.Announced(uint16(n+1), origin, example(n, 0), now.Add(time.Duration(n)*time.Millisecond))
	}
	later := now.Add(time.Minute)
	table.Announced(1, origin, example(0, 0), later)
	for n := range 100 {
		table.Announced(uint16(n+1), netip.MustParseAddr("10.6.6.6"), example(n, 0), later.Add(time.Second))
	}
	hashes := map[uint16]int{}
	for k := range table.sap {
		hashes[k.hash]++
	}
	if len(table.sap) != maxSources || hashes[1] != 2 || hashes[2] != 1 || hashes[101] != 0 || hashes[102] != 1 {
		t.Errorf("%d sources; of those heard of for longest %d and %d are left, of the next %d", len(table.sap), hashes[2]-1, hashes[101], hashes[102])
	}
}
