package session

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"aes67os/aes67d/multicast"
	"aes67os/aes67d/netif"
	"aes67os/driver"
	"aes67os/driver/fake"

	"github.com/google/go-cmp/cmp"
)

// rig is a manager with a driver that moves nothing, in a bubble of its own time.
type rig struct {
	*Manager
	t      *testing.T
	driver *fake.Driver
	file   string
	stop   func()

	mu        sync.Mutex
	announced []Announcement
	joined    []multicast.Membership
	changes   []Change
	pages     map[string]string // what Fetch answers
}

// start runs a manager on one interface with the status file at name; more changes its
// options before.
func start(t *testing.T, name string, more ...func(*Options)) *rig {
	t.Helper()
	r := &rig{t: t, driver: fake.New(), file: name, pages: map[string]string{}}
	o := Options{
		Driver:     r.driver,
		StatusFile: name,
		Fetch: func(_ context.Context, url string) (string, error) {
			r.mu.Lock()
			defer r.mu.Unlock()
			if page, ok := r.pages[url]; ok {
				return page, nil
			}
			return "", fmt.Errorf("%w from %s: nobody there", ErrFetchSDP, url)
		},
		Resolve: func(_ context.Context, _ int, host netip.Addr) (net.HardwareAddr, error) {
			if host == netip.MustParseAddr("192.168.1.99") {
				return nil, errors.New("192.168.1.99 does not answer")
			}
			b := host.As4()
			return net.HardwareAddr{2, 0, 0, 0, 0, b[3]}, nil
		},
		Announce: func(a []Announcement) { r.set(func() { r.announced = a }) },
		Join:     func(list []multicast.Membership) { r.set(func() { r.joined = list }) },
		Changed:  func(c Change) { r.set(func() { r.changes = append(r.changes, c) }) },
		Log:      slog.New(slog.DiscardHandler),
	}
	r.driver.SetPTPStatus(driver.PTPStatus{Lock: driver.Locked, Grandmaster: driver.ClockID{0x00, 0x1d, 0xc1, 0xff, 0xfe, 0, 0, 1}})
	for _, f := range more {
		f(&o)
	}
	r.Manager = New(o)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		r.Run(ctx)
	}()
	r.stop = sync.OnceFunc(func() { cancel(); <-ended })
	t.Cleanup(r.stop)
	r.configure(oneInterface())
	return r
}

func (r *rig) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// configure applies settings and waits until all has followed.
func (r *rig) configure(s Settings) {
	r.t.Helper()
	if err := r.Configure(r.t.Context(), s); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

func oneInterface() Settings {
	return Settings{
		Interfaces:    []netif.Interface{{Index: 2, Name: "eth0", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 0xaa}}},
		Addresses:     []netip.Addr{netip.MustParseAddr("192.168.1.10")},
		NodeID:        "studio",
		MulticastBase: [2]netip.Addr{netip.MustParseAddr("239.1.0.1"), netip.MustParseAddr("239.2.0.1")},
		RTPPort:       [2]uint16{5004, 5006},
		Driver: driver.Config{
			Interfaces: []string{"eth0"}, PTP: driver.PTPConfig{DSCP: 46}, SampleRate: 48000,
			TICFrameSizeAt1FS: 48, MaxTICFrameSize: 1024,
		},
		AutoSinksUpdate: true,
	}
}

// twoInterfaces is a network with SMPTE ST 2022-7.
func twoInterfaces() Settings {
	s := oneInterface()
	s.Interfaces = append(s.Interfaces, netif.Interface{Index: 3, Name: "eth1", MAC: net.HardwareAddr{2, 0, 0, 0, 0, 0xbb}})
	s.Addresses = append(s.Addresses, netip.MustParseAddr("10.0.0.10"))
	s.Driver.Interfaces = []string{"eth0", "eth1"}
	return s
}

func exampleSource(id int) Source {
	return Source{
		ID: id, Enabled: true, Name: fmt.Sprintf("Stage %d", id), IO: "Audio Device", MaxSamplesPerPacket: 48,
		Codec: driver.L24, TTL: 15, PayloadType: 98, DSCP: 34, Map: []int{0, 1},
	}
}

const remoteSDP = "v=0\no=- 7 5 IN IP4 192.168.1.20\ns=Desk\nt=0 0\nm=audio 5004 RTP/AVP 97\nc=IN IP4 239.69.0.7/32\n" +
	"a=rtpmap:97 L24/48000/2\na=ptime:1\na=mediaclk:direct=99\na=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-00-00-01:0\n"

func exampleSink(id int) Sink {
	return Sink{ID: id, Name: fmt.Sprintf("Monitor %d", id), IO: "Audio Device", UseSDP: true, SDP: remoteSDP, Delay: 96, Map: []int{0, 1}}
}

func (r *rig) put(s Source) {
	r.t.Helper()
	if err := r.PutSource(r.t.Context(), s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) putSink(s Sink) {
	r.t.Helper()
	if err := r.PutSink(r.t.Context(), s); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) sdp(id int) string {
	r.t.Helper()
	text, err := r.SourceSDP(id)
	if err != nil {
		r.t.Fatal(err)
	}
	return text
}

// version is the one in the SDP's o= line.
func version(t *testing.T, text string) (v uint64) {
	t.Helper()
	var id uint64
	if _, err := fmt.Sscanf(text[strings.Index(text, "o="):], "o=- %d %d ", &id, &v); err != nil {
		t.Fatalf("%v in:\n%s", err, text)
	}
	return v
}

// has fails the test unless every line is in the text.
func has(t *testing.T, text string, lines ...string) {
	t.Helper()
	have := strings.Split(text, "\n")
	for _, line := range lines {
		if !slices.Contains(have, line) {
			t.Errorf("no line %q in:\n%s", line, text)
		}
	}
}

// onDisk fails the test unless the status file has exactly the manager's streams, and its
// JSON, of which it keeps much from one time to the next, as well.
func (r *rig) onDisk() {
	r.t.Helper()
	b, err := os.ReadFile(r.file)
	if err != nil {
		r.t.Fatal(err)
	}
	sources, sinks := r.Sources(), r.Sinks()
	for _, test := range []struct {
		name string
		text []byte
		want document
	}{
		{"on disk", b, document{Sources: sources, Sinks: sinks}},
		{"streams", r.AppendJSON(nil, true, true), document{Sources: sources, Sinks: sinks}},
		{"sources", r.AppendJSON(nil, true, false), document{Sources: sources}},
		{"sinks", r.AppendJSON(nil, false, true), document{Sinks: sinks}},
	} {
		var got document
		if err := json.Unmarshal(test.text, &got); err != nil {
			r.t.Fatal(err)
		}
		got.SessionVersion = 0
		if diff := cmp.Diff(test.want, got); diff != "" {
			r.t.Errorf("%s (-memory +JSON):\n%s", test.name, diff)
		}
	}
}

// bubble runs the test in time of its own with a directory for files.
func bubble(t *testing.T, f func(t *testing.T, file string)) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "status.json")
	synctest.Test(t, func(t *testing.T) { f(t, name) })
}

func TestSource(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(3))
		want := []driver.Stream{{
			ID: 3, Source: true, Name: "Stage 3", Codec: driver.L24, SampleRate: 48000, SamplesPerPacket: 48,
			PayloadType: 98, DSCP: 34, TTL: 15, Map: []int{0, 1},
			Legs: []driver.Leg{{
				Local: netip.MustParseAddr("192.168.1.10"), Destination: netip.MustParseAddrPort("239.1.0.4:5004"),
				DestinationMAC: [6]byte{0x01, 0x00, 0x5e, 0x01, 0x00, 0x04}, SourcePort: 5004,
			}},
		}}
		got := r.driver.Streams()
		if len(got) == 1 {
			want[0].SSRC = got[0].SSRC // a random number
		}
		if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.AddrPort) bool { return a == b })); diff != "" {
			t.Errorf("in the driver (-want +got):\n%s", diff)
		}
		text := r.sdp(3)
		has(t, text, "s=studio Stage 3", "c=IN IP4 239.1.0.4/15", "a=rtpmap:98 L24/48000/2",
			"a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-00-00-01:0")
		if strings.Contains(text, "source-filter") {
			t.Errorf("a source filter in the SDP of a source on one network:\n%s", text)
		}
		announcement := Announcement{ID: 3, Name: "studio Stage 3", Origin: netip.MustParseAddr("192.168.1.10"), SDP: text}
		if !slices.Equal(r.announced, []Announcement{announcement}) {
			t.Errorf("announced %v; want %v", r.announced, announcement)
		}
		shown := exampleSource(3)
		shown.Address = "239.1.0.4"
		if diff := cmp.Diff([]Source{shown}, r.Sources()); diff != "" {
			t.Errorf("sources (-want +got):\n%s", diff)
		}
		r.onDisk()

		// The same once more changes nothing for anybody.
		handle := r.current.Load().sources[3].inDriver.placed.handle
		r.put(shown)
		if again := r.sdp(3); again != text {
			t.Errorf("SDP after no change:\n%s\nbefore:\n%s", again, text)
		}
		if h := r.current.Load().sources[3].inDriver.placed.handle; h != handle {
			t.Errorf("the driver's stream was replaced though nothing has changed")
		}
		// A change keeps the SSRC, and raises the version.
		changed := shown
		changed.Codec = driver.L16
		r.put(changed)
		if v, before := version(t, r.sdp(3)), version(t, text); v <= before {
			t.Errorf("version %d after a change; want more than %d", v, before)
		}
		if ssrc := r.driver.Streams()[0].SSRC; ssrc != want[0].SSRC {
			t.Errorf("SSRC %d after a change; want %d still", ssrc, want[0].SSRC)
		}
		// The address was the default one, so it follows the base.
		s := oneInterface()
		s.MulticastBase[0] = netip.MustParseAddr("239.7.0.250")
		r.configure(s)
		r.onDisk()
		if a := r.Sources()[0].Address; a != "239.7.0.253" {
			t.Errorf("address %s after another base; want 239.7.0.253", a)
		}
		// A disabled source is neither sent nor announced, and can still be looked at.
		changed.Enabled = false
		r.put(changed)
		if len(r.driver.Streams()) != 0 || len(r.announced) != 0 {
			t.Errorf("disabled, but %d streams and %d announcements", len(r.driver.Streams()), len(r.announced))
		}
		has(t, r.sdp(3), "a=rtpmap:98 L16/48000/2")
		if err := r.RemoveSource(t.Context(), 3); err != nil {
			t.Error(err)
		}
		if err := r.RemoveSource(t.Context(), 3); !errors.Is(err, ErrNotInUse) {
			t.Errorf("removed twice: %v; want ErrNotInUse", err)
		}
		if _, err := r.SourceSDP(3); !errors.Is(err, ErrNotInUse) {
			t.Errorf("SDP of none: %v; want ErrNotInUse", err)
		}
		r.onDisk()
	})
}

func TestSourceRefused(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		for _, test := range []struct {
			name   string
			change func(*Source)
			want   error
			words  string
		}{
			{"id", func(s *Source) { s.ID = 64 }, ErrInvalidID, "ids are 0 to 63"},
			{"negative id", func(s *Source) { s.ID = -1 }, ErrInvalidID, ""},
			{"name in use", func(s *Source) { s.Name = "Stage 0" }, ErrNameInUse, "source 0 has it"},
			{"no name", func(s *Source) { s.Name = "" }, ErrInvalid, "name is empty"},
			{"long name", func(s *Source) { s.Name = strings.Repeat("x", 64) }, ErrInvalid, "at most 63"},
			{"name of two lines", func(s *Source) { s.Name = "a\nb=c" }, ErrInvalid, "control characters"},
			{"codec", func(s *Source) { s.Codec = "MP3" }, ErrInvalid, "only L16, L24 or AM824"},
			{"packet", func(s *Source) { s.MaxSamplesPerPacket = 64 }, ErrInvalid, "[6 12 16 48 96 192]"},
			{"packet too large", func(s *Source) { s.Map = make([]int, 64) }, ErrInvalid, "at most 7 samples"},
			{"address", func(s *Source) { s.Address = "239.1.0" }, ErrInvalid, "address"},
			{"IPv6", func(s *Source) { s.Address = "ff0e::1" }, ErrInvalid, "address"},
			{"host that is not there", func(s *Source) { s.Address = "192.168.1.99" }, ErrMAC, "does not answer"},
			{"ttl", func(s *Source) { s.TTL = 0 }, ErrInvalid, "ttl"},
			{"payload type", func(s *Source) { s.PayloadType = 10 }, ErrInvalid, "77 to 127"},
			{"dscp", func(s *Source) { s.DSCP = 64 }, ErrInvalid, "dscp"},
			{"no channels", func(s *Source) { s.Map = nil }, ErrInvalid, "map"},
			{"channel", func(s *Source) { s.Map = []int{64} }, ErrInvalid, "channel 64"},
			{"negative channel", func(s *Source) { s.Map = []int{-2} }, ErrInvalid, "channel -2"},
			{"the driver's refusal", func(s *Source) { s.Name = "refused" }, driver.ErrRefused, ""},
		} {
			r.driver.Fail(func(s driver.Stream) error {
				if s.Name == "refused" {
					return driver.ErrRefused
				}
				return nil
			})
			s := exampleSource(5)
			test.change(&s)
			err := r.PutSource(t.Context(), s)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.words) {
				t.Errorf("%s: %v; want %v with %q", test.name, err, test.want, test.words)
			}
		}
		// A change that the driver refuses leaves the source as it was, still sent.
		before, text := r.Sources(), r.sdp(0)
		s := exampleSource(0)
		s.Name = "refused"
		if err := r.PutSource(t.Context(), s); !errors.Is(err, driver.ErrRefused) {
			t.Errorf("change refused by the driver: %v; want ErrRefused", err)
		}
		if diff := cmp.Diff(before, r.Sources()); diff != "" {
			t.Errorf("after a refusal (-want +got):\n%s", diff)
		}
		if got := r.driver.Streams(); len(got) != 1 || got[0].Name != "Stage 0" || len(r.announced) != 1 || r.sdp(0) != text {
			t.Errorf("after a refusal the driver has %v, announced is %v", got, r.announced)
		}
		r.onDisk()
	})
}

func TestUnicastSource(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		s := exampleSource(0)
		s.Address = "192.168.1.77"
		r.put(s)
		leg := r.driver.Streams()[0].Legs[0]
		if leg.Destination != netip.MustParseAddrPort("192.168.1.77:5004") || leg.DestinationMAC != [6]byte{2, 0, 0, 0, 0, 77} {
			t.Errorf("leg %+v; want 192.168.1.77 by its own MAC address", leg)
		}
		has(t, r.sdp(0), "c=IN IP4 192.168.1.77")
	})
}

// TestAbsentHosts has many hosts vanish to which sources are sent. Looking for them takes a
// second for all together, during which others can change what they like; and how the clock
// does, which the driver tells all the time, is no reason to look.
func TestAbsentHosts(t *testing.T) {
	var (
		absent bool
		looked int
		mu     sync.Mutex
	)
	resolve := func(ctx context.Context, _ int, host netip.Addr) (net.HardwareAddr, error) {
		mu.Lock()
		looked++
		gone := absent
		mu.Unlock()
		if gone {
			time.Sleep(time.Second)
			return nil, errors.New("no answer")
		}
		return net.HardwareAddr{2, 0, 0, 0, 0, 1}, nil
	}
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file, func(o *Options) { o.Resolve = resolve })
		const hosts = 32
		for id := range hosts {
			s := exampleSource(id)
			s.Address = fmt.Sprintf("192.168.1.%d", 100+id)
			r.put(s)
		}
		r.driver.Interrupt(errors.New("away"))
		synctest.Wait()
		mu.Lock()
		absent, looked = true, 0
		mu.Unlock()
		r.driver.Restore()
		synctest.Wait()
		began := time.Now()
		r.put(exampleSource(40)) // while they are looked for
		if took := time.Since(began); took != 0 {
			t.Errorf("a source to a group took %v; want no time", took)
		}
		sleep(time.Second)
		if n := len(r.driver.Streams()); looked != hosts || n != 1 {
			t.Errorf("looked for %d hosts, %d streams; want %d, 1", looked, n, hosts)
		}
		for jitter := range int32(5) {
			r.driver.SetPTPStatus(driver.PTPStatus{Lock: driver.Locked, Grandmaster: r.PTPStatus().Grandmaster, Jitter: jitter + 1})
			synctest.Wait()
			if got := r.PTPStatus().Jitter; got != jitter+1 {
				t.Errorf("jitter %d; want %d", got, jitter+1)
			}
		}
		if looked != hosts {
			t.Errorf("looked for hosts %d times after news of the clock; want %d", looked, hosts)
		}
		mu.Lock()
		absent = false
		mu.Unlock()
		sleep(again)
		if n := len(r.driver.Streams()); n != hosts+1 {
			t.Errorf("%d streams when the hosts are back; want %d", n, hosts+1)
		}
	})
}

func TestTwoNetworks(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.configure(twoInterfaces())
		r.put(exampleSource(1))
		r.putSink(exampleSink(0))
		var destinations []string
		for _, s := range r.driver.Streams() {
			for _, l := range s.Legs {
				destinations = append(destinations, fmt.Sprintf("%v %d %s from %s", s.Source, l.Interface, l.Destination, l.Local))
			}
		}
		slices.Sort(destinations)
		want := []string{
			"false 0 239.69.0.7:5004 from 192.168.1.10",
			"false 1 239.69.0.7:5004 from 10.0.0.10",
			"true 0 239.1.0.2:5004 from 192.168.1.10",
			"true 1 239.2.0.2:5006 from 10.0.0.10",
		}
		if diff := cmp.Diff(want, destinations); diff != "" {
			t.Errorf("legs (-want +got):\n%s", diff)
		}
		has(t, r.sdp(1), "a=group:DUP 1 2", "a=mid:1", "a=mid:2", "m=audio 5006 RTP/AVP 98",
			"a=source-filter: incl IN IP4 239.1.0.2 192.168.1.10", "a=source-filter: incl IN IP4 239.2.0.2 10.0.0.10")
		group := netip.MustParseAddr("239.69.0.7")
		joined := []multicast.Membership{{Interface: 2, Group: ptpGroup}, {Interface: 2, Group: group}, {Interface: 3, Group: ptpGroup}, {Interface: 3, Group: group}}
		if !slices.Equal(joined, r.joined) {
			t.Errorf("joined %v; want %v", r.joined, joined)
		}
		// The second network fails: the first goes on.
		s := twoInterfaces()
		s.Addresses[1] = netip.Addr{}
		r.configure(s)
		if text := r.sdp(1); strings.Contains(text, "DUP") {
			t.Errorf("two streams announced, with one network:\n%s", text)
		}
		if !slices.Equal(joined[:2], r.joined) {
			t.Errorf("joined %v; want %v", r.joined, joined[:2])
		}
	})
}

func TestSink(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.pages["http://desk/sdp"] = strings.Replace(remoteSDP, "L24/48000/2", "L24/48000/4", 1)
		s := exampleSink(2)
		s.UseSDP, s.SDP, s.Source, s.Map = false, "", "http://desk/sdp", []int{8, 9}
		r.putSink(s)
		got := r.driver.Streams()
		if len(got) != 1 || !slices.Equal(got[0].Map, []int{8, 9, driver.Unmapped, driver.Unmapped}) ||
			got[0].PlayoutDelay != 96 || got[0].TimestampOffset != 99 || got[0].SamplesPerPacket != 48 {
			t.Errorf("in the driver %+v; want 4 channels, the last two unmapped, delay 96, offset 99", got)
		}
		shown := r.Sinks()[0]
		if !shown.UseSDP || shown.SDP != r.pages["http://desk/sdp"] || shown.Source != "http://desk/sdp" {
			t.Errorf("sink %+v; want what was fetched as its SDP", shown)
		}
		if _, err := r.SinkStatus(t.Context(), 2); err != nil {
			t.Error(err)
		}
		r.onDisk()
		if err := r.RemoveSink(t.Context(), 2); err != nil {
			t.Error(err)
		}
		if _, err := r.SinkStatus(t.Context(), 2); !errors.Is(err, ErrNotInUse) {
			t.Errorf("status of none: %v; want ErrNotInUse", err)
		}
		if len(r.joined) != 1 {
			t.Errorf("joined %v; want the clock's group only", r.joined)
		}
		r.onDisk()
	})
}

// TestPacketTime has sinks whose SDP, or whose file, leaves open what the driver must know.
func TestPacketTime(t *testing.T) {
	short := exampleSink(0)
	short.Delay = 5
	b, err := json.Marshal(document{Sinks: []Sink{short}})
	if err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T, file string) {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		r := start(t, file)
		s := exampleSink(1)
		s.SDP, s.Map, s.Delay = strings.Replace(remoteSDP, "a=ptime:1\n", "", 1), []int{2, 3}, 200
		r.putSink(s)
		var got [][2]uint32
		for _, s := range r.driver.Streams() {
			got = append(got, [2]uint32{s.SamplesPerPacket, s.PlayoutDelay})
		}
		// The file's delay is below its packets; the other's packets fill its delay.
		if want := [][2]uint32{{48, 48}, {200, 200}}; !slices.Equal(got, want) {
			t.Errorf("samples in a packet and delay: %d; want %d", got, want)
		}
		if d := r.Sinks()[0].Delay; d != 5 {
			t.Errorf("the delay is shown as %d; want 5, as it was set", d)
		}
	})
}

func TestSinkRefused(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.putSink(exampleSink(0))
		for _, test := range []struct {
			name   string
			change func(*Sink)
			want   error
			words  string
		}{
			{"id", func(s *Sink) { s.ID = 64 }, ErrInvalidID, ""},
			{"name in use", func(s *Sink) { s.Name = "Monitor 0" }, ErrNameInUse, "sink 0 has it"},
			{"nobody at the URL", func(s *Sink) { s.UseSDP, s.Source = false, "http://none" }, ErrFetchSDP, "nobody there"},
			{"no SDP", func(s *Sink) { s.SDP = "hello" }, ErrParseSDP, ""},
			{"delay", func(s *Sink) { s.Delay = 47 }, ErrInvalid, "a packet of this stream has 48"},
			{"long delay", func(s *Sink) { s.Delay = 1 << 30 }, ErrInvalid, "at most"},
			{"channel twice", func(s *Sink) { s.Map = []int{3, 3} }, ErrInvalid, "channel 3 twice"},
			{"other grandmaster", func(s *Sink) { s.SDP = strings.Replace(s.SDP, "00-1D", "00-1E", 1) }, ErrParseSDP, "ignore_refclk_gmid"},
			{"other domain", func(s *Sink) { s.SDP = strings.Replace(s.SDP, "00-01:0", "00-01:5", 1) }, ErrParseSDP, "domain 5"},
		} {
			s := exampleSink(5)
			test.change(&s)
			err := r.PutSink(t.Context(), s)
			if !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.words) {
				t.Errorf("%s: %v; want %v with %q", test.name, err, test.want, test.words)
			}
		}
		s := exampleSink(5)
		s.SDP, s.IgnoreRefClock = strings.Replace(s.SDP, "00-1D", "00-1E", 1), true
		r.putSink(s)
		if len(r.Sinks()) != 2 {
			t.Errorf("%d sinks; want 2", len(r.Sinks()))
		}
	})
}

// TestDriverComesAndGoes unloads the driver while there are streams, changes them, and
// loads it again.
func TestDriverComesAndGoes(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		r.putSink(exampleSink(0))
		r.driver.Interrupt(errors.New("the module was unloaded"))
		synctest.Wait()
		if _, problem := r.DriverState(); problem == nil || !strings.Contains(problem.Error(), "unloaded") {
			t.Errorf("the driver's problem is %v; want that it was unloaded", problem)
		}
		if len(r.announced) != 0 {
			t.Errorf("%d sources announced that nobody sends", len(r.announced))
		}
		if _, err := r.SinkStatus(t.Context(), 0); err == nil {
			t.Error("status of a sink without a driver = nil; want an error")
		}
		r.put(exampleSource(1))
		if err := r.RemoveSink(t.Context(), 0); err != nil {
			t.Error(err)
		}
		r.onDisk()
		r.driver.Restore()
		synctest.Wait()
		var names []string
		for _, s := range r.driver.Streams() {
			names = append(names, s.Name)
		}
		slices.Sort(names)
		if want := []string{"Stage 0", "Stage 1"}; !slices.Equal(names, want) {
			t.Errorf("in the driver %v; want %v", names, want)
		}
		if len(r.announced) != 2 {
			t.Errorf("%d sources announced; want 2", len(r.announced))
		}
		if _, problem := r.DriverState(); problem != nil {
			t.Errorf("the driver's problem is %v; want none", problem)
		}
	})
}

// TestTryAgain has a stream that the driver takes only the second time.
func TestTryAgain(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		r.putSink(exampleSink(0))
		r.driver.Interrupt(errors.New("away"))
		synctest.Wait()
		r.driver.Fail(func(driver.Stream) error { return driver.ErrRefused })
		r.driver.Restore()
		synctest.Wait()
		if n := len(r.driver.Streams()); n != 0 {
			t.Fatalf("%d streams; want none yet", n)
		}
		if _, err := r.SinkStatus(t.Context(), 0); err == nil || !strings.Contains(err.Error(), driver.ErrRefused.Error()) {
			t.Errorf("status of a sink that is refused: %v; want the reason", err)
		}
		r.driver.Fail(nil)
		sleep(again)
		if n := len(r.driver.Streams()); n != 2 {
			t.Errorf("%d streams %v later; want 2", n, again)
		}
	})
}

func TestGrandmasterChange(t *testing.T) {
	script := filepath.Join(t.TempDir(), "status.sh")
	told := script + ".told"
	if err := os.WriteFile(script, []byte("#!/bin/sh\necho $1 >>"+told+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		s := oneInterface()
		s.PTPStatusScript = script
		r.configure(s)
		r.put(exampleSource(0))
		before := version(t, r.announced[0].SDP)
		r.driver.SetPTPStatus(driver.PTPStatus{Lock: driver.Locking, Grandmaster: driver.ClockID{0x00, 0x0b, 0xad, 0xff, 0xfe, 1, 2, 3}})
		synctest.Wait()
		if after := r.announced[0].SDP; !strings.Contains(after, "00-0B-AD-FF-FE-01-02-03:0") || version(t, after) <= before {
			t.Errorf("announced after another grandmaster (version was %d):\n%s", before, after)
		}
		r.driver.SetPTPStatus(driver.PTPStatus{Lock: driver.Locked, Grandmaster: driver.ClockID{0x00, 0x0b, 0xad, 0xff, 0xfe, 1, 2, 3}})
		synctest.Wait()
		r.stop()
		if b, err := os.ReadFile(told); err != nil || string(b) != "locking\nlocked\n" {
			t.Errorf("the script was told %q, %v; want locking, locked", b, err)
		}
	})
}

// TestRateEvent has an application open the sound card at another rate.
func TestRateEvent(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		r.driver.SetRate(96000)
		synctest.Wait()
		has(t, r.announced[0].SDP, "a=rtpmap:98 L24/96000/2", "a=ptime:0.5")
		if got := r.driver.Streams()[0].SampleRate; got != 96000 {
			t.Errorf("the source is sent at %d Hz; want 96000", got)
		}
		// After a restart it may only rise.
		saved := fmt.Sprintf(`"session_version": %d`, version(t, r.sdp(0)))
		if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), saved) {
			t.Errorf("the status file has %s, %v; want %s", b, err, saved)
		}
	})
}

func TestAddressChange(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		before := r.sdp(0)
		s := oneInterface()
		s.Addresses[0] = netip.Addr{}
		r.configure(s)
		if len(r.announced) != 0 || len(r.driver.Streams()) != 0 || len(r.joined) != 0 {
			t.Errorf("without an address: announced %v, sent %v, joined %v; want nothing", r.announced, r.driver.Streams(), r.joined)
		}
		if _, err := r.SourceSDP(0); !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "IPv4 address") {
			t.Errorf("SDP without an address: %v; want why there is none", err)
		}
		s.Addresses[0] = netip.MustParseAddr("192.168.1.11")
		r.configure(s)
		after := r.announced[0].SDP
		if !strings.Contains(after, "IN IP4 192.168.1.11\n") || version(t, after) <= version(t, before) {
			t.Errorf("announced after another address:\n%s", after)
		}
		if got := r.driver.Streams()[0].Legs[0].Local; got != s.Addresses[0] {
			t.Errorf("sent from %s; want %s", got, s.Addresses[0])
		}
	})
}

// TestRate configures another rate: sources are sent at it, and sinks stay what they are.
func TestRate(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		r.putSink(exampleSink(0))
		handle := r.current.Load().sinks[0].inDriver.placed.handle
		s := oneInterface()
		s.Driver.SampleRate = 96000
		r.configure(s)
		if got := r.driver.Config().SampleRate; got != 96000 {
			t.Errorf("the driver is at %d Hz; want 96000", got)
		}
		has(t, r.announced[0].SDP, "a=rtpmap:98 L24/96000/2")
		if got := r.driver.Streams()[0]; !got.Source || got.SampleRate != 96000 {
			t.Errorf("in the driver is %+v; want the source at 96000 Hz", got)
		}
		if r.current.Load().sinks[0].inDriver.placed.handle != handle {
			t.Error("the sink was replaced though its talker has not changed")
		}
	})
}

// TestRateAfterRestart: a driver that begins anew has the configured rate, not the one that an
// application set before.
func TestRateAfterRestart(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		r.driver.SetRate(96000)
		synctest.Wait()
		s := oneInterface()
		s.Driver.Program.CPUs = "2-3"
		r.configure(s)
		has(t, r.announced[0].SDP, "a=rtpmap:98 L24/48000/2")
		if got, in := r.driver.Streams()[0].SampleRate, r.driver.Config().SampleRate; got != 48000 || in != 48000 {
			t.Errorf("the source has %d Hz in a driver at %d; want 48000", got, in)
		}
	})
}

// TestUnmapped: a channel of the stream may have none of the device.
func TestUnmapped(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		s, k := exampleSource(0), exampleSink(0)
		s.Map, k.Map = []int{-1, 5, -1}, []int{-1, -1}
		r.put(s)
		r.putSink(k)
		has(t, r.sdp(0), "a=rtpmap:98 L24/48000/3")
		var got [][]int
		for _, s := range r.driver.Streams() {
			got = append(got, s.Map)
		}
		if diff := cmp.Diff([][]int{s.Map, k.Map}, got); diff != "" {
			t.Errorf("maps in the driver (-want +got):\n%s", diff)
		}
		r.onDisk()
	})
}

// TestConfigureWhileAway changes what the driver runs with while it cannot be reached.
func TestConfigureWhileAway(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		r.driver.Interrupt(errors.New("away"))
		synctest.Wait()
		s := oneInterface()
		s.Driver.PTP.Domain, s.Driver.SampleRate = 5, 96000
		r.configure(s)
		r.driver.Restore()
		synctest.Wait()
		if diff := cmp.Diff(s.Driver, r.driver.Config()); diff != "" {
			t.Errorf("the driver's configuration (-want +got):\n%s", diff)
		}
		has(t, r.announced[0].SDP, "a=rtpmap:98 L24/96000/2", "a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-00-00-01:5")
	})
}

// TestOtherInterface begins the driver anew.
func TestOtherInterface(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		s := oneInterface()
		s.Interfaces[0].Name, s.Driver.Interfaces = "eth7", []string{"eth7"}
		r.configure(s)
		if got := r.driver.Config().Interfaces; !slices.Equal(got, []string{"eth7"}) {
			t.Errorf("the driver is on %v; want eth7", got)
		}
		if len(r.driver.Streams()) != 1 || len(r.announced) != 1 {
			t.Errorf("%d streams, %d announced; want 1 each", len(r.driver.Streams()), len(r.announced))
		}
	})
}

// stubborn is a driver that does not change its sample rate.
type stubborn struct{ *fake.Driver }

func (stubborn) SetSampleRate(context.Context, uint32) error { return driver.ErrRefused }

func TestSettingsRefused(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file, func(o *Options) { o.Driver = stubborn{o.Driver.(*fake.Driver)} })
		s := oneInterface()
		s.Driver.PTP.Domain, s.Driver.SampleRate = 5, 96000
		if err := r.Configure(t.Context(), s); !errors.Is(err, driver.ErrRefused) {
			t.Errorf("Configure = %v; want ErrRefused", err)
		}
		if got := r.driver.Config().PTP.Domain; got != 0 || r.PTPConfig().Domain != 0 {
			t.Errorf("domain %d in the driver, %d here; want 0, as it was", got, r.PTPConfig().Domain)
		}
	})
}

func TestUpdateSinks(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.putSink(exampleSink(0))
		change := func(from, to string) string { return strings.Replace(remoteSDP, from, to, 1) }
		newer := strings.Replace(change("- 7 5", "- 7 9"), "239.69.0.7", "239.69.0.8", 1)
		offered := []string{change("- 7 5", "- 7 4"), change("- 7 5", "- 7 8"), newer, change("- 7 5", "- 70 12"), "nonsense 7"}
		r.UpdateSinks(t.Context(), offered)
		if got := r.Sinks()[0].SDP; got != newer {
			t.Errorf("the sink has:\n%s\nwant:\n%s", got, newer)
		}
		if got := r.driver.Streams()[0].Legs[0].Destination.Addr().String(); got != "239.69.0.8" {
			t.Errorf("received from %s; want 239.69.0.8", got)
		}
		r.onDisk()
		s := oneInterface()
		s.AutoSinksUpdate = false
		r.configure(s)
		r.UpdateSinks(t.Context(), []string{change("- 7 5", "- 7 10")})
		if got := r.Sinks()[0].SDP; got != newer {
			t.Errorf("updated though it was not wanted:\n%s", got)
		}
	})
}

func TestRestart(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		off := exampleSource(9)
		off.Enabled = false
		r.put(off)
		r.putSink(exampleSink(63))
		sources, sinks, before := r.Sources(), r.Sinks(), version(t, r.sdp(0))
		r.stop()
		if err := r.PutSource(t.Context(), exampleSource(1)); err != nil {
			t.Errorf("a source put while the driver does not run: %v", err)
		}
		sources = slices.Insert(sources, 1, r.Sources()[1])

		again := start(t, file)
		if diff := cmp.Diff(sources, again.Sources()); diff != "" {
			t.Errorf("sources (-before +after):\n%s", diff)
		}
		if diff := cmp.Diff(sinks, again.Sinks()); diff != "" {
			t.Errorf("sinks (-before +after):\n%s", diff)
		}
		if len(again.driver.Streams()) != 3 || len(again.announced) != 2 {
			t.Errorf("%d streams, %d announced; want 3 and 2", len(again.driver.Streams()), len(again.announced))
		}
		// The bubble's clock stands still, as does that of a host without a battery.
		if v := version(t, again.sdp(0)); v <= before {
			t.Errorf("version %d after a restart; want more than %d", v, before)
		}
	})
}

// TestDefaultAddress: the status file has addresses spelled out, and one that is the default
// follows the configured base after a restart, too, on both networks. One that somebody has
// chosen does not.
func TestDefaultAddress(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		r.put(exampleSource(0))
		chosen := exampleSource(1)
		chosen.Address = "239.5.5.5"
		r.put(chosen)
		r.stop()

		again := start(t, file)
		again.configure(twoInterfaces())
		addresses := func() (all []string) {
			for _, s := range again.driver.Streams() {
				for _, l := range s.Legs {
					all = append(all, l.Destination.Addr().String())
				}
			}
			return all
		}
		if diff := cmp.Diff([]string{"239.1.0.1", "239.2.0.1", "239.5.5.5", "239.5.5.5"}, addresses()); diff != "" {
			t.Errorf("destinations (-want +got):\n%s", diff)
		}
		s := twoInterfaces()
		for _, base := range []string{"239.5.5.4", "239.7.0.1"} { // with the first it is the default by chance
			s.MulticastBase[0] = netip.MustParseAddr(base)
			again.configure(s)
		}
		if diff := cmp.Diff([]string{"239.7.0.1", "239.2.0.1", "239.5.5.5", "239.5.5.5"}, addresses()); diff != "" {
			t.Errorf("destinations after another base (-want +got):\n%s", diff)
		}
	})
}

func TestDamagedStatusFile(t *testing.T) {
	good := `{"id": 1, "enabled": true, "name": "Stage 1", "io": "", "max_samples_per_packet": 48, "codec": "L16", "address": "239.1.0.2",
		"ttl": 15, "payload_type": 98, "dscp": 34, "refclk_ptp_traceable": false, "map": [0]}`
	for name, test := range map[string]struct {
		content string
		sources int
	}{
		"cut off":        {`{"sources": [` + good, 0},
		"empty":          {``, 0},
		"one of two":     {`{"sources": [` + good + `, ` + strings.Replace(good, `"L16"`, `"FLAC"`, 1) + `], "sinks": []}`, 1},
		"twice":          {`{"sources": [` + good + `, ` + good + `], "sinks": []}`, 1},
		"sink of no SDP": {`{"sources": [` + good + `], "sinks": [{"id": 0, "name": "x", "map": [0], "sdp": "?"}]}`, 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, file string) {
				if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
					t.Fatal(err)
				}
				r := start(t, file)
				if got := len(r.Sources()); got != test.sources {
					t.Errorf("%d sources; want %d", got, test.sources)
				}
				b, err := os.ReadFile(file + ".damaged")
				if err != nil || string(b) != test.content {
					t.Errorf("kept %q, %v; want the file as it was", b, err)
				}
				r.put(exampleSource(0))
				r.onDisk()
			})
		})
	}
}

func TestSaveFails(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, filepath.Join(file, "not a directory"))
		if err := r.PutSource(t.Context(), exampleSource(0)); !errors.Is(err, ErrSave) {
			t.Errorf("PutSource = %v; want ErrSave", err)
		}
		if len(r.Sources()) != 1 || len(r.driver.Streams()) != 1 {
			t.Errorf("%d sources, %d streams; want 1 each", len(r.Sources()), len(r.driver.Streams()))
		}
	})
}

// TestMany has several clients change everything at once; nothing may get lost.
func TestMany(t *testing.T) {
	bubble(t, func(t *testing.T, file string) {
		r := start(t, file)
		const clients, rounds = 8, 3
		want := map[int]string{}
		var mu sync.Mutex
		var all sync.WaitGroup
		for client := range clients {
			all.Go(func() {
				for round := range rounds {
					for id := client; id < driver.MaxStreams; id += clients {
						s, k := exampleSource(id), exampleSink(id)
						s.Name += fmt.Sprintf(" round %d", round)
						if err := errors.Join(r.PutSource(t.Context(), s), r.PutSink(t.Context(), k)); err != nil {
							t.Error(err)
						}
						// Whoever wrote the file, for this call or for another, it is there.
						if b, err := os.ReadFile(file); err != nil || !strings.Contains(string(b), `"`+s.Name+`"`) {
							t.Errorf("source %d, round %d, is put and not on disk: %v", id, round, err)
						}
						mu.Lock()
						want[id] = s.Name
						mu.Unlock()
						if id%5 == 0 {
							if err := errors.Join(r.RemoveSource(t.Context(), id), r.RemoveSink(t.Context(), id)); err != nil {
								t.Error(err)
							}
							mu.Lock()
							delete(want, id)
							mu.Unlock()
						}
					}
				}
			})
		}
		all.Wait()
		got := map[int]string{}
		for _, s := range r.Sources() {
			got[s.ID] = s.Name
		}
		if !maps.Equal(got, want) {
			t.Errorf("sources %v; want %v", got, want)
		}
		if n := len(r.driver.Streams()); n != 2*len(want) {
			t.Errorf("%d streams in the driver; want %d", n, 2*len(want))
		}
		r.onDisk()
	})
}

// sleep lets the bubble's time pass.
func sleep(d time.Duration) {
	time.Sleep(d)
	synctest.Wait()
}
