package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/facebook/time/ptp/protocol"
	"github.com/facebook/time/timestamp"
	"golang.org/x/sys/unix"
)

// leadMain is a PTP grandmaster, better than any aes67d, whose clock runs at another speed
// than the guest's. All clocks of a guest are one; only so does a sound card in it have to
// be steered. It is a one-step clock, whose time of sending is that of asking to: all that
// comes of it is a constant offset of some microseconds.
func leadMain(name string, arguments []string) error {
	flags := flag.NewFlagSet(name, flag.ExitOnError)
	interfaceName := flags.String("interface", "lo", "network `interface`")
	ppm := flags.Float64("ppm", 0, "by how many `millionths` the clock is too fast")
	_ = flags.Parse(arguments)
	ifi, err := net.InterfaceByName(*interfaceName)
	if err != nil {
		return err
	}
	g := &grandmaster{begun: time.Now(), fast: *ppm * 1e-6}
	if g.event, err = join(ifi, protocol.PortEvent); err != nil {
		return err
	}
	if g.general, err = join(ifi, protocol.PortGeneral); err != nil {
		return err
	}
	ended := make(chan error, 2)
	go func() { ended <- g.lead() }()
	go func() { ended <- g.answer() }()
	return <-ended
}

// ptpGroup is where PTP messages go (IEEE 1588-2008 annex D.3).
var ptpGroup = netip.AddrFrom4([4]byte{224, 0, 1, 129})

// grandmaster has a socket for each of PTP's ports.
type grandmaster struct {
	event, general int
	begun          time.Time
	fast           float64
}

// join opens a socket that shares its port with aes67d.
func join(ifi *net.Interface, port int) (int, error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, err
	}
	return fd, errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		unix.BindToDevice(fd, ifi.Name),
		unix.Bind(fd, &unix.SockaddrInet4{Port: port}),
		unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(ifi.Index)}),
		timestamp.JoinMulticast(fd, ifi, ptpGroup.AsSlice()),
		timestamp.EnableSWTimestampsRx(fd),
	)
}

// time is the grandmaster's time at one of the host's: TAI, or near it.
func (g *grandmaster) time(t time.Time) protocol.Timestamp {
	since := t.Sub(g.begun)
	return protocol.NewTimestamp(g.begun.Add(37*time.Second + since + time.Duration(float64(since)*g.fast)))
}

const clock = protocol.ClockIdentity(0x0200_5E_FFFE_00_0001)

// header is that of a message of so many bytes behind it.
func header(kind protocol.MessageType, body int, sequence uint16, interval protocol.LogInterval) protocol.Header {
	return protocol.Header{
		SdoIDAndMsgType: protocol.NewSdoIDAndMsgType(kind, 0), Version: 2, MessageLength: uint16(34 + body),
		SourcePortIdentity: protocol.PortIdentity{PortNumber: 1, ClockIdentity: clock},
		SequenceID:         sequence, LogMessageInterval: interval,
	}
}

// lead sends eight Sync messages a second, and an Announce before every eighth.
func (g *grandmaster) lead() error {
	for n := uint16(0); ; n++ {
		if n%8 == 0 {
			a := protocol.Announce{
				Header: header(protocol.MessageAnnounce, 30, n/8, 0),
				AnnounceBody: protocol.AnnounceBody{
					CurrentUTCOffset: 37, GrandmasterPriority1: 1, GrandmasterIdentity: clock,
					GrandmasterClockQuality: protocol.ClockQuality{ClockClass: protocol.ClockClass6},
				},
			}
			a.FlagField = protocol.FlagPTPTimescale | protocol.FlagCurrentUtcOffsetValid
			if err := send(g.general, protocol.PortGeneral, &a); err != nil {
				return err
			}
		}
		s := protocol.SyncDelayReq{Header: header(protocol.MessageSync, 10, n, -3)}
		s.OriginTimestamp = g.time(time.Now())
		if err := send(g.event, protocol.PortEvent, &s); err != nil {
			return err
		}
		time.Sleep(time.Second / 8)
	}
}

// answer answers delay requests.
func (g *grandmaster) answer() error {
	for {
		b, _, came, err := timestamp.ReadPacketWithRXTimestamp(g.event)
		if err != nil {
			return fmt.Errorf("receive: %w", err)
		}
		var asked protocol.SyncDelayReq
		if kind, err := protocol.ProbeMsgType(b); err != nil || kind != protocol.MessageDelayReq || asked.UnmarshalBinary(b) != nil {
			continue
		}
		d := protocol.DelayResp{Header: header(protocol.MessageDelayResp, 20, asked.SequenceID, 0)}
		d.ReceiveTimestamp, d.RequestingPortIdentity = g.time(came), asked.SourcePortIdentity
		if err := send(g.general, protocol.PortGeneral, &d); err != nil {
			return err
		}
	}
}

func send(fd, port int, message interface{ MarshalBinary() ([]byte, error) }) error {
	b, err := message.MarshalBinary()
	if err != nil {
		return err
	}
	if err := unix.Sendto(fd, b, 0, timestamp.AddrToSockaddr(ptpGroup, port)); err != nil {
		return fmt.Errorf("send: %w", err)
	}
	return nil
}
