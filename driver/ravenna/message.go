package ravenna

import (
	"encoding/binary"
	"fmt"

	"github.com/mdlayher/netlink"

	"aes67os/driver"
)

// The netlink protocols of the module.
const (
	protocolCommands = 31 // we ask, the module answers
	protocolEvents   = 29 // the module asks, we answer
)

// messageID tells what a message is about.
type messageID uint32

// The messages we send or answer.
const (
	msgStart                 messageID = 0
	msgStop                  messageID = 1
	msgReset                 messageID = 2
	msgSetSampleRate         messageID = 5
	msgGetSampleRate         messageID = 6
	msgSetTICFrameSizeAt1FS  messageID = 9
	msgSetMaxTICFrameSize    messageID = 10
	msgSetInterfaceName      messageID = 15
	msgAddRTPStream          messageID = 16
	msgRemoveRTPStream       messageID = 17
	msgHello                 messageID = 20
	msgBye                   messageID = 21
	msgSetMasterOutputVolume messageID = 23
	msgSetMasterOutputSwitch messageID = 24
	msgGetMasterOutputVolume messageID = 25
	msgGetMasterOutputSwitch messageID = 26
	msgSetPlayoutDelay       messageID = 27
	msgGetRTPStreamStatus    messageID = 29
	msgSetPTPConfig          messageID = 30
	msgGetPTPStatus          messageID = 32
)

var messageNames = map[messageID]string{
	msgStart: "Start", msgStop: "Stop", msgReset: "Reset",
	msgSetSampleRate: "SetSampleRate", msgGetSampleRate: "GetSampleRate",
	msgSetTICFrameSizeAt1FS: "SetTICFrameSizeAt1FS", msgSetMaxTICFrameSize: "SetMaxTICFrameSize",
	msgSetInterfaceName: "SetInterfaceName",
	msgAddRTPStream:     "Add_RTPStream", msgRemoveRTPStream: "Remove_RTPStream",
	msgHello: "Hello", msgBye: "Bye",
	msgSetMasterOutputVolume: "SetMasterOutputVolume", msgSetMasterOutputSwitch: "SetMasterOutputSwitch",
	msgGetMasterOutputVolume: "GetMasterOutputVolume", msgGetMasterOutputSwitch: "GetMasterOutputSwitch",
	msgSetPlayoutDelay: "SetPlayoutDelay", msgGetRTPStreamStatus: "GetRTPStreamStatus",
	msgSetPTPConfig: "SetPTPConfig", msgGetPTPStatus: "GetPTPStatus",
}

// String returns the name that the module's sources have for it.
func (id messageID) String() string {
	if name, ok := messageNames[id]; ok {
		return name
	}
	return fmt.Sprintf("message %d", uint32(id))
}

// A message is a netlink header, a header of the module's, and data.
const (
	netlinkHeader = 16
	messageHeader = 24
	// maxData is the most data a message may have.
	maxData = 1024
)

// native is the byte order of everything that is not said to be otherwise.
var native = binary.NativeEndian

// message is one without its headers.
type message struct {
	id   messageID
	code errorCode
	data []byte
}

// encode makes a message with the port id that the answer shall go to. The netlink
// library could not: it rounds lengths up to 4 bytes and counts sequence numbers, of
// which the module knows nothing.
func (m message) encode(port uint32) []byte {
	b := make([]byte, 0, netlinkHeader+messageHeader+len(m.data))
	b = native.AppendUint32(b, uint32(cap(b)))
	b = native.AppendUint16(b, uint16(netlink.Done))
	b = native.AppendUint16(b, 0) // flags
	b = native.AppendUint32(b, 0) // sequence number
	b = native.AppendUint32(b, port)
	b = native.AppendUint32(b, uint32(m.id))
	b = native.AppendUint32(b, uint32(m.code))
	b = native.AppendUint32(b, uint32(len(m.data)))
	b = append(b, make([]byte, 12)...) // padding and a pointer of the kernel's
	return append(b, m.data...)
}

// decode reads what the module sent. Its errors are ErrProtocol.
func decode(n netlink.Message) (message, error) {
	if n.Header.Type != netlink.Done {
		return message{}, fmt.Errorf("%w: netlink message of type %s, want done", driver.ErrProtocol, n.Header.Type)
	}
	if len(n.Data) < messageHeader {
		return message{}, fmt.Errorf("%w: message of %d bytes, its header alone has %d", driver.ErrProtocol, len(n.Data), messageHeader)
	}
	m := message{id: messageID(native.Uint32(n.Data)), code: errorCode(native.Uint32(n.Data[4:]))}
	size := native.Uint32(n.Data[8:])
	// Bytes 12 to 24 are not ours: of an answer with data they are an address in
	// the kernel.
	if size > maxData || int(size) > len(n.Data)-messageHeader {
		return message{}, fmt.Errorf("%w: %s claims %d bytes of data, there are %d", driver.ErrProtocol, m.id, size, len(n.Data)-messageHeader)
	}
	m.data = n.Data[messageHeader:][:size]
	return m, nil
}

// errorCode is what the module says about a command, 0 when it is done.
type errorCode int32

const (
	codeUnknownID errorCode = -314
	codeBadSize   errorCode = -315
	codeFailed    errorCode = -401
)

// err tells what the code means for the command id, nil for success.
func (c errorCode) err(id messageID) error {
	switch c {
	case 0:
		return nil
	case codeUnknownID:
		return fmt.Errorf("%w: the RAVENNA kernel module does not know %s (code %d)", driver.ErrProtocol, id, c)
	case codeBadSize:
		return fmt.Errorf("%w: the RAVENNA kernel module expects other data for %s (code %d)", driver.ErrInvalid, id, c)
	case codeFailed:
		return fmt.Errorf("%w: the RAVENNA kernel module refuses %s, the kernel's log tells why (code %d)", driver.ErrRefused, id, c)
	}
	return fmt.Errorf("%w: the RAVENNA kernel module answers %s with the unknown code %d", driver.ErrProtocol, id, c)
}

// u32 is the data of a message with one number.
func u32(v uint32) []byte { return native.AppendUint32(nil, v) }

// u64 is likewise.
func u64(v uint64) []byte { return native.AppendUint64(nil, v) }

// readU32 reads the data of an answer with one number. Its error is ErrProtocol.
func readU32(id messageID, data []byte) (uint32, error) {
	if len(data) != 4 {
		return 0, sizeError(id, data)
	}
	return native.Uint32(data), nil
}

// readU64 is likewise.
func readU64(id messageID, data []byte) (uint64, error) {
	if len(data) != 8 {
		return 0, sizeError(id, data)
	}
	return native.Uint64(data), nil
}

func sizeError(id messageID, data []byte) error {
	return fmt.Errorf("%w: %s answers %d bytes", driver.ErrProtocol, id, len(data))
}
