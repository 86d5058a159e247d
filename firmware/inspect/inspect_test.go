package inspect
import ("testing";"os";"time")
func TestTry(t *testing.T){ for _, n := range []string{"/tmp/w/tree/out/aes67os-x86-64.img","/tmp/w/tree/out/aes67os-x86-64.img.zst"} { b:=time.Now(); r,err:=Inspect(t.Context(), n, nil); if err!=nil{t.Fatal(err)}; r.Print(os.Stdout,false); t.Log(time.Since(b))}}
