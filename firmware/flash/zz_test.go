package flash
import ("testing";"os";"time";"golang.org/x/sys/unix";"aes67os/firmware/flash/image")
func TestLoop(t *testing.T){
 dev:=os.Getenv("LOOPDEV"); i,err:=image.Open(os.Getenv("IMG")); if err!=nil{t.Fatal(err)}
 n,err:=number(dev); if err!=nil{t.Fatal(err)}
 _,err=Check(Host(),dev,i.Size); t.Log("check:",err)
 d,_:=Host().find(n); t.Log(d.dir,d.size())
 err=Write(t.Context(),i,Target{Device:dev,number:n,Size:d.size()},newMeter(os.Stdout,false,time.Now).show)
 t.Log("write:",err); _=unix.EBUSY
}
