// Package rtsp hands out and fetches the descriptions of streams as RAVENNA does,
// with a small part of RTSP (RFC 2326).
//
// RAVENNA sets nothing up and plays nothing by RTSP: its streams are multicast and
// there for whoever joins. A receiver asks DESCRIBE for the SDP of a source, by the
// name it found by DNS-SD ("/by-name/" and the name) or by number ("/by-id/"), and
// keeps the connection. When the source changes, the sender sends ANNOUNCE with the
// new SDP on that same connection, which makes it a client and the receiver a server.
//
//   - message.go: messages, and reading them from somebody who may be hostile.
//   - wire.go: a connection, with a limit to how long the other side may take.
//   - server.go, client.go: [Server] and the connections it serves.
//   - describe.go, follow.go: [Describe] and [Follow], the other side.
//
// The codec is our own on top of net/textproto because what devices send is not
// always what the RFC has: lines that end in LF alone, names with unescaped spaces in
// the request line, status lines without a reason, empty lines between messages.
// A request that makes no sense must be answered with 400, too, so reading has to
// get that far.
//
// Players such as VLC and ffmpeg go on with SETUP after DESCRIBE. They are told 405,
// as the known daemon tells them; the SDP by itself is what they can play.
package rtsp

import "time"

// Limits to what others may send. An SDP of 64 channels and two legs has 2 KiB.
const (
	maxLine = 4 << 10  // bytes of the first line
	maxHead = 16 << 10 // bytes of the first line and the header together
	maxBody = 64 << 10 // bytes
)

// Limits to how long others may take.
const (
	messageTime = 10 * time.Second // from the first byte of a message to its last
	sendTime    = 5 * time.Second  // to take what we send
	answerTime  = 10 * time.Second // to begin to answer
)

// sdpType is the media type of an SDP (RFC 4566 §8.1).
const sdpType = "application/sdp"

// byName begins the path of a source's URL; its name follows.
const byName = "/by-name/"
