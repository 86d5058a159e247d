package session

import (
	"errors"
	"net/netip"

	"aes67os/aes67d/netif"
	"aes67os/driver"
)

// Source is an RTP stream we send, with the JSON members, in their order, that the
// REST API and the status file have for it.
type Source struct {
	// ID is 0 to 63.
	ID      int    `json:"id"`
	Enabled bool   `json:"enabled"`
	Name    string `json:"name"`
	// IO is a free text of the user's.
	IO string `json:"io"`
	// MaxSamplesPerPacket is per channel: 6, 12, 16, 48, 96 or 192.
	MaxSamplesPerPacket uint32       `json:"max_samples_per_packet"`
	Codec               driver.Codec `json:"codec"`
	// Address is the destination. Given empty, it is the configured base plus ID.
	Address     string `json:"address"`
	TTL         uint8  `json:"ttl"`
	PayloadType uint8  `json:"payload_type"`
	DSCP        uint8  `json:"dscp"`
	// RefClockTraceable announces "traceable" instead of the grandmaster's identity.
	RefClockTraceable bool `json:"refclk_ptp_traceable"`
	// Map has the device's playback channel of each channel of the stream, or
	// driver.Unmapped for silence, which not every driver can send.
	Map []int `json:"map"`
}

// Sink is an RTP stream we receive, as [Source] for members.
type Sink struct {
	ID   int    `json:"id"`
	Name string `json:"name"`
	IO   string `json:"io"`
	// UseSDP: the stream is described by SDP, otherwise by what Source answers. It is
	// true once the sink is made, for SDP then has what was fetched.
	UseSDP bool `json:"use_sdp"`
	// Source is an http or rtsp URL.
	Source string `json:"source"`
	SDP    string `json:"sdp"`
	// Delay is the link offset in samples.
	Delay uint32 `json:"delay"`
	// IgnoreRefClock accepts a stream whose clock is not the one we follow.
	IgnoreRefClock bool `json:"ignore_refclk_gmid"`
	// Map has the device's capture channel of each channel of the stream, or
	// driver.Unmapped for one that goes nowhere.
	Map []int `json:"map"`
}

// Announcement is a source as others may find it on the network.
type Announcement struct {
	ID int
	// Name is the node's identity, a space, and the source's name.
	Name string
	// Origin is the address in the SDP's o= line, ours.
	Origin netip.Addr
	SDP    string
}

// Settings are what the configuration and the network interfaces say to sessions.
type Settings struct {
	// Interfaces are the primary one and, for SMPTE ST 2022-7, the secondary. Of a
	// missing one only the name is known.
	Interfaces []netif.Interface
	// Addresses are those in use, one for each interface; not valid where there is none.
	Addresses []netip.Addr
	NodeID    string
	// MulticastBase plus a source's id is its address, on either interface.
	MulticastBase [2]netip.Addr
	RTPPort       [2]uint16
	Driver        driver.Config
	// SourceFilter puts a=source-filter into the SDP of sources with one leg, too.
	SourceFilter bool
	// AutoSinksUpdate makes sinks follow newer versions of the SDP they were made of.
	AutoSinksUpdate bool
	// PTPStatusScript is run with the new state when the clock's lock has changed.
	PTPStatusScript string
}

// Errors that callers decide on, in the words of the known daemon.
var (
	ErrInvalidID = errors.New("invalid stream id")
	ErrNameInUse = errors.New("stream name is in use")
	ErrNotInUse  = errors.New("stream not in use")
	ErrMAC       = errors.New("cannot retrieve MAC address for IP")
	ErrURL       = errors.New("invalid URL")
	ErrFetchSDP  = errors.New("cannot retrieve SDP")
	ErrParseSDP  = errors.New("cannot parse SDP")
	// ErrInvalid is a member with a value that cannot be; the error says which and why.
	ErrInvalid = errors.New("invalid stream")
	// ErrSave is a status file that could not be written. What was asked for is done.
	ErrSave = errors.New("cannot save the streams")
)
