// Stands in for the programs that the documentation's examples name (java, server, shop, worker ...), so that a test can
// run the examples. Links with those names lead here, and the name decides what it does, until SIGTERM:
//   java, server   answer any HTTP request on port 8080
//   postgres       takes connections on port 5432
//   client         is connected to port 5432
//   worker         reads worker.conf, says on standard output that it is connected, and makes /run/worker.ready
//   shop           holds a lock; once there is a file 'rush' beside it, opens orders.csv and takes memory
//   batch          ends with 0 when there is a file 'done' beside it
//   any other      sleeps
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using System.Text;

// The name that the kernel was given, where .NET's own leads to the library.
var name = File.ReadAllText("/proc/self/comm").Trim();

// What the examples look for in memory: in bytes, and as .NET keeps text.
object[] remembered =
[
    Encoding.ASCII.GetBytes("user=sa password=hunter2 driver=odbc"),
    Encoding.ASCII.GetBytes("-----BEGIN PRIVATE KEY-----\nbm90IGEga2V5\n-----END PRIVATE KEY-----\n"),
    Encoding.ASCII.GetBytes("token ghp_0123456789abcdefghijklmnopqrstuvwxyz"),
    new StringBuilder("session-").Append(4711.ToString(CultureInfo.InvariantCulture)).ToString(),
];

using var stop = new ManualResetEventSlim();
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Set();
}

using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);

switch (name)
{
    case "java" or "server":
        Listen(8080, Answer);
        break;
    case "postgres":
        Listen(5432, static connection => connection.Receive(new byte[1]));
        break;
    case "client":
        remembered = [.. remembered, Connect(5432)];
        break;
    case "worker":
        if (!File.Exists("worker.conf"))
        {
            Console.Error.WriteLine("worker: cannot read worker.conf");
            return 2;
        }

        Console.WriteLine("connected to 3 queues");
        File.WriteAllText("/run/worker.ready", "");
        break;
    case "shop":
        var file = new FileStream("shop.lock", FileMode.OpenOrCreate, FileAccess.ReadWrite);
        if (Flock(file.SafeFileHandle.DangerousGetHandle().ToInt32(), 2) != 0)
        {
            Console.Error.WriteLine("shop: cannot lock shop.lock");
            return 2;
        }

        remembered = [.. remembered, file];
        Await("rush");
        remembered = [.. remembered, File.Create("orders.csv"), new byte[16 << 20]];
        Array.Fill((byte[])remembered[^1], (byte)1);
        File.Delete("rush");
        break;
    case "batch":
        Await("done");
        return 0;
}

stop.Wait();
GC.KeepAlive(remembered);
return 0;

void Await(string path)
{
    while (!File.Exists(path) && !stop.Wait(20))
    {
    }
}

static Socket Connect(int port)
{
    var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    socket.Connect(IPAddress.Loopback, port);
    return socket;
}

static void Listen(int port, Action<Socket> serve)
{
    var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    listener.Bind(new IPEndPoint(IPAddress.Loopback, port));
    listener.Listen();
    new Thread(() =>
    {
        while (true)
        {
            var connection = listener.Accept();
            new Thread(() =>
            {
                using (connection)
                {
                    serve(connection);
                }
            })
            { IsBackground = true }.Start();
        }
    })
    { IsBackground = true }.Start();
}

static void Answer(Socket connection)
{
    if (connection.Receive(new byte[4096]) > 0)
    {
        connection.Send("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nup\n"u8);
    }
}

[DllImport("libc", EntryPoint = "flock")]
static extern int Flock(int descriptor, int operation);
