package uboot

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"
)

// The header of U-Boot's legacy images, in front of a script: big-endian numbers. A
// script is itself a list of texts, of which we write one.
const (
	magic      = 0x27051956
	headerSize = 64
	nameSize   = 32
	listSize   = 8 // the text's length, and the end of the list

	osLinux    = 5
	archARM64  = 22
	typeScript = 6
)

var be = binary.BigEndian

// Image wraps a script as U-Boot's source command takes it. name is for people, and cut
// off after 32 bytes; made is the time of its header.
func Image(name, script string, made time.Time) []byte {
	b := make([]byte, headerSize, headerSize+listSize+len(script))
	b = be.AppendUint32(b, uint32(len(script)))
	b = be.AppendUint32(b, 0)
	b = append(b, script...)
	be.PutUint32(b[0:], magic)
	be.PutUint32(b[8:], uint32(made.Unix()))
	be.PutUint32(b[12:], uint32(len(b)-headerSize))
	be.PutUint32(b[24:], crc32.ChecksumIEEE(b[headerSize:]))
	copy(b[28:], []byte{osLinux, archARM64, typeScript, 0}) // the last: not compressed
	copy(b[headerSize-nameSize:headerSize], name)
	be.PutUint32(b[4:], crc32.ChecksumIEEE(b[:headerSize])) // with itself as 0
	return b
}

// Parse returns the script of an image that Image, or mkimage(1), made.
func Parse(image []byte) (script string, err error) {
	if len(image) < headerSize+listSize || be.Uint32(image) != magic {
		return "", errors.New("not an image of U-Boot")
	}
	head := append([]byte{}, image[:headerSize]...)
	be.PutUint32(head[4:], 0)
	data := image[headerSize:]
	switch {
	case crc32.ChecksumIEEE(head) != be.Uint32(image[4:]):
		return "", errors.New("the checksum of the header is wrong")
	case head[30] != typeScript:
		return "", fmt.Errorf("it is of type %d, not a script", head[30])
	case uint64(be.Uint32(head[12:])) != uint64(len(data)):
		return "", fmt.Errorf("it has %d bytes, not %d", len(data), be.Uint32(head[12:]))
	case crc32.ChecksumIEEE(data) != be.Uint32(head[24:]):
		return "", errors.New("the checksum of the script is wrong")
	case uint64(be.Uint32(data)) != uint64(len(data)-listSize):
		return "", errors.New("it has more than one script")
	}
	return string(data[listSize:]), nil
}
