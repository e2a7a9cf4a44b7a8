// Counts: one number a line, the next each second, until SIGTERM or Ctrl+C. Something to checkpoint.
//   counter [--interval MILLISECONDS] [--output FILE]
using System.Globalization;
using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

var interval = TimeSpan.FromSeconds(1);
string? output = null;
for (var i = 0; i < args.Length; i += 2)
{
    var value = i + 1 < args.Length ? args[i + 1] : null;
    switch (args[i])
    {
        case "--interval"
            when int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var milliseconds) && milliseconds > 0:
            interval = TimeSpan.FromMilliseconds(milliseconds);
            break;
        case "--output" when !string.IsNullOrEmpty(value):
            output = value;
            break;
        default:
            Console.Error.WriteLine("usage: counter [--interval MILLISECONDS] [--output FILE]");
            return 2;
    }
}

using var stop = new ManualResetEventSlim();
void Stop(PosixSignalContext signal)
{
    signal.Cancel = true;
    stop.Set();
}

using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);

try
{
    using var writer = output is null ? StandardOutput() : new StreamWriter(output, append: true);
    var number = 0L;
    do
    {
        number++;
        writer.WriteLine(number.ToString(CultureInfo.InvariantCulture));
        writer.Flush();
    }
    while (!stop.Wait(interval));
    return 0;
}
catch (Exception e) when (e is IOException or UnauthorizedAccessException)
{
    // The reader has gone, or the file cannot be written.
    Console.Error.WriteLine($"counter: {e.Message}");
    return 1;
}

// Console.Out would go on for ever into a pipe that nobody reads any more.
static TextWriter StandardOutput()
{
    var stream = new FileStream(new SafeFileHandle(1, ownsHandle: false), FileAccess.Write, bufferSize: 0);
    return stream.CanSeek ? Console.Out : new StreamWriter(stream);
}
