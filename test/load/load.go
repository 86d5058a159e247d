// Package load is the load that the daemon has to bear: 64 sources and 64 sinks, each
// removed, added and updated again and again over REST, by 8 clients at the same time. It
// says what is to be asked for; asking is for a test, or for a measurement.
package load

import (
	"fmt"
	"net/http"

	"aes67os/driver"
)

// Clients is the number of clients. Each has streams that no other changes.
const Clients = 8

// share is the number of sources, and of sinks, that a client has.
const share = driver.MaxStreams / Clients

// Stream is a source or a sink as it is between two changes.
type Stream struct {
	// Kind is "source" or "sink".
	Kind string
	ID   int
	// Version tells what differs from one change to the next.
	Version int
}

// Streams lists the streams of a client in a version.
func Streams(client, version int) []Stream {
	var all []Stream
	for id := client * share; id < (client+1)*share; id++ {
		all = append(all, Stream{"source", id, version}, Stream{"sink", id, version})
	}
	return all
}

// Path is where the stream is put and removed.
func (s Stream) Path() string { return fmt.Sprintf("/api/%s/%d", s.Kind, s.ID) }

// Name is the stream's name, the same in all versions. No other stream's begins with it
// and a quotation mark.
func (s Stream) Name() string { return fmt.Sprintf("%s %d", s.Kind, s.ID) }

// JSON is the stream, letter by letter as it stands in GET /api/streams. It can be put as
// it is.
func (s Stream) JSON() string {
	if s.Kind == "source" {
		return fmt.Sprintf(`{
      "id": %d,
      "enabled": true,
      "name": "%s",
      "io": "version %d",
      "max_samples_per_packet": 48,
      "codec": "L24",
      "address": "239.10.%d.%d",
      "ttl": 15,
      "payload_type": 98,
      "dscp": 34,
      "refclk_ptp_traceable": false,
      "map": [ 0, 1, 2, 3, 4, 5, 6, 7 ]
    }`, s.ID, s.Name(), s.Version, s.Version%256, s.ID)
	}
	return fmt.Sprintf(`{
      "id": %d,
      "name": "%s",
      "io": "version %d",
      "use_sdp": true,
      "source": "",
      "sdp": "%s",
      "delay": 576,
      "ignore_refclk_gmid": true,
      "map": [ 0, 1, 2, 3, 4, 5, 6, 7 ]
    }`, s.ID, s.Name(), s.Version, s.sdp())
}

// sdp is what a sink receives, as it stands in JSON: another group in every version.
func (s Stream) sdp() string {
	return fmt.Sprintf(`v=0\no=- 7%d %d IN IP4 192.0.2.9\ns=Desk %d\nc=IN IP4 239.20.%d.%d/15\nt=0 0\n`+
		`a=clock-domain:PTPv2 0\nm=audio 5004 RTP/AVP 98\nc=IN IP4 239.20.%[4]d.%[5]d/15\na=rtpmap:98 L24/48000/8\n`+
		`a=sync-time:0\na=framecount:48\na=ptime:1\na=mediaclk:direct=0\n`+
		`a=ts-refclk:ptp=IEEE1588-2008:00-1D-C1-FF-FE-00-00-01:0\na=recvonly\n`, s.ID, s.Version, s.ID, s.Version%256, s.ID)
}

// Call is a request that changes something. Of a removal only the kind and the id of the
// stream count.
type Call struct {
	Method string
	Stream Stream
}

// Round lists what a client does in a round, from 0: it removes each of its streams, but
// for the first round, adds it and updates it. After it the streams are in the version
// [After]. Half of the clients take one stream after the other; the other half do the same
// to all of theirs before they go on, so that streams are gone for a while.
func Round(client, round int) []Call {
	removed, added, updated := Removal(client), Streams(client, 2*round+1), Streams(client, After(round))
	var calls []Call
	if client%2 == 0 {
		for i := range removed {
			calls = append(calls, removed[i], Call{http.MethodPut, added[i]}, Call{http.MethodPut, updated[i]})
		}
	} else {
		calls = append(calls, removed...)
		for _, s := range append(added, updated...) {
			calls = append(calls, Call{http.MethodPut, s})
		}
	}
	if round > 0 {
		return calls
	}
	var first []Call
	for _, c := range calls {
		if c.Method == http.MethodPut {
			first = append(first, c)
		}
	}
	return first
}

// After is the version in which all streams are after a round.
func After(round int) int { return 2*round + 2 }

// Removal lists what a client does in the end.
func Removal(client int) []Call {
	var calls []Call
	for _, s := range Streams(client, 0) {
		calls = append(calls, Call{http.MethodDelete, s})
	}
	return calls
}
