package ptp
import ("testing";"time";"fmt")
func TestDbg(t *testing.T){
 e:=newEstimator(1)
 p:=path{func(raw int64) int64 { if raw>60e9 {return drift(5)(raw)-900e3}; return drift(5)(raw)}, exactly(20e3), exactly(20e3), 125*time.Millisecond}
 off:=errorsOf(e,p,110*time.Second)
 for i:=460;i<len(off);i+=8 { fmt.Println(i/8, off[i]) }
}
