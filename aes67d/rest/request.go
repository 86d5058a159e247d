package rest

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"
)

// bodyLimit bounds what is read of a request, in bytes. A sink whose SDP fills a
// packet is a few thousand.
const bodyLimit = 64 << 10

// bodyTime is how long a client may take to send it.
const bodyTime = 10 * time.Second

// read returns the request's body, or answers why it cannot.
func read(c *gin.Context) (b []byte, ok bool) {
	// Where there is no connection there is no deadline. It is lifted again, for what is
	// to be done now may take longer, and a deadline missed would end the request.
	control := http.NewResponseController(c.Writer)
	_ = control.SetReadDeadline(time.Now().Add(bodyTime))
	defer func() { _ = control.SetReadDeadline(time.Time{}) }()
	b, err := io.ReadAll(http.MaxBytesReader(c.Writer, c.Request.Body, bodyLimit))
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		err = fmt.Errorf("it is larger than %d bytes", large.Limit)
	}
	if err != nil {
		refuse(c, http.StatusBadRequest, "cannot read the request's body: "+err.Error())
		return nil, false
	}
	return b, true
}

// streamID returns the id in the path, or answers why it cannot. A path without digits
// there is none; which numbers are ids is for [Sessions] to say.
func (s *server) streamID(c *gin.Context) (id int, ok bool) {
	text := c.Param("id")
	for _, r := range text {
		if r < '0' || r > '9' {
			s.static(c)
			return 0, false
		}
	}
	id, err := strconv.Atoi(text)
	if err != nil {
		refuse(c, http.StatusBadRequest, "failed to convert id")
		return 0, false
	}
	return id, true
}
