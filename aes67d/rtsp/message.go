package rtsp

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/textproto"
	"strconv"
	"strings"
)

// Errors of what the other side sends. After either it is not known where the next
// message begins.
var (
	errMalformed = errors.New("not an RTSP message")
	errTooLarge  = errors.New("the message is too large")
)

// message is a request or a response (RFC 2326 §4).
type message struct {
	// method and url are a request's. url is as it came, maybe not one at all.
	method, url string
	// status and reason are a response's; the status of a request is 0.
	status int
	reason string
	header textproto.MIMEHeader
	body   string
}

// cseq is the message's sequence number (RFC 2326 §12.17).
func (m *message) cseq() (n uint64, ok bool) {
	n, err := strconv.ParseUint(m.header.Get("CSeq"), 10, 64)
	return n, err == nil
}

// hasSDP tells whether the body is an SDP. One that has no type is taken for it.
func (m *message) hasSDP() bool {
	value := m.header.Get("Content-Type")
	if value == "" {
		return true
	}
	kind, _, _ := mime.ParseMediaType(value) // "" if it is none
	return kind == sdpType
}

// reader reads messages.
type reader struct {
	// limit lets so many more bytes into the buffer. What is in the buffer already
	// comes on top: at most its size.
	limit *io.LimitedReader
	text  *textproto.Reader
}

func newReader(r io.Reader) *reader {
	limit := &io.LimitedReader{R: r}
	return &reader{limit: limit, text: textproto.NewReader(bufio.NewReaderSize(limit, maxLine))}
}

// wait returns when a message begins. It passes over empty lines, which some put
// between messages and others send to keep a connection.
func (r *reader) wait() error {
	for {
		r.limit.N = maxHead
		b, err := r.text.R.Peek(1)
		if err != nil {
			return err
		}
		if b[0] != '\r' && b[0] != '\n' {
			return nil
		}
		if _, err := r.text.R.Discard(1); err != nil {
			return err
		}
	}
}

// next reads a message. The error is io.EOF when there is none any more.
func (r *reader) next() (*message, error) {
	if err := r.wait(); err != nil {
		return nil, err
	}
	line, err := r.text.R.ReadSlice('\n')
	if err != nil {
		return nil, r.broken(err)
	}
	m, err := parseFirstLine(strings.TrimSpace(string(line)))
	if err != nil {
		return nil, err
	}
	if m.header, err = r.text.ReadMIMEHeader(); err != nil {
		return nil, r.broken(err)
	}
	length, err := m.contentLength()
	if err != nil || length == 0 {
		return m, err
	}
	r.limit.N = int64(length)
	body := make([]byte, length)
	if _, err := io.ReadFull(r.text.R, body); err != nil {
		return nil, r.broken(err)
	}
	m.body = string(body)
	return m, nil
}

// broken is the error for a message that ended early for err.
func (r *reader) broken(err error) error {
	var protocol textproto.ProtocolError
	switch {
	case r.limit.N <= 0 || errors.Is(err, bufio.ErrBufferFull):
		return errTooLarge
	case errors.As(err, &protocol):
		return fmt.Errorf("%w: %w", errMalformed, err)
	case errors.Is(err, io.EOF):
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseFirstLine takes apart a request line (RFC 2326 §6.1) or a status line (§7.1).
func parseFirstLine(line string) (*message, error) {
	first, rest, _ := strings.Cut(line, " ")
	if strings.HasPrefix(first, "RTSP/") {
		code, reason, _ := strings.Cut(rest, " ")
		status, err := strconv.Atoi(code)
		if err != nil || status < 100 || status > 999 {
			return nil, fmt.Errorf("%w: status line %.80q", errMalformed, line)
		}
		return &message{status: status, reason: reason}, nil
	}
	// The URL is all between the first space and the last, for it may have some.
	i := strings.LastIndexByte(rest, ' ')
	if first == "" || i < 0 || !strings.HasPrefix(rest[i+1:], "RTSP/") {
		return nil, fmt.Errorf("%w: request line %.80q", errMalformed, line)
	}
	return &message{method: first, url: strings.TrimSpace(rest[:i])}, nil
}

// contentLength is the size of the body in bytes (RFC 2326 §12.14).
func (m *message) contentLength() (int, error) {
	values := m.header["Content-Length"]
	if len(values) == 0 {
		return 0, nil
	}
	for _, v := range values {
		if v != values[0] {
			return 0, fmt.Errorf("%w: several content lengths", errMalformed)
		}
	}
	n, err := strconv.ParseUint(values[0], 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%w: content length %.20q", errMalformed, values[0])
	}
	if n > maxBody {
		return 0, errTooLarge
	}
	return int(n), nil
}

// encode writes a message with this first line and these lines of header, and with
// an SDP unless it is "".
func encode(first string, header []string, sdp string) []byte {
	b := []byte(first + "\r\n")
	for _, line := range header {
		b = append(b, line+"\r\n"...)
	}
	if sdp != "" {
		b = fmt.Appendf(b, "Content-Type: %s\r\nContent-Length: %d\r\n", sdpType, len(sdp))
	}
	return append(append(b, "\r\n"...), sdp...)
}

// request writes a request.
func request(method, url string, cseq uint64, sdp string, header ...string) []byte {
	header = append([]string{fmt.Sprintf("CSeq: %d", cseq), "User-Agent: aes67d"}, header...)
	return encode(method+" "+url+" RTSP/1.0", header, sdp)
}

// respond writes the response to m.
func respond(m *message, status int, sdp string, header ...string) []byte {
	if n, ok := m.cseq(); ok {
		header = append([]string{fmt.Sprintf("CSeq: %d", n)}, header...)
	}
	// The codes we use mean the same in HTTP, from where RTSP has them.
	return encode(fmt.Sprintf("RTSP/1.0 %d %s", status, http.StatusText(status)), header, sdp)
}
