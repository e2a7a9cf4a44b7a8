using System.Text;
using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;
using PSCrac.Moving;
using Xunit;

namespace PSCrac.Tests.Moving;

/// <summary>The frames between the two sides of a move, from a side that may say anything.</summary>
public sealed class MoveChannelTests : IDisposable
{
    private static readonly TimeSpan Enough = TimeSpan.FromSeconds(20);

    private readonly SafeFileHandle _wire;
    private readonly MoveChannel _channel;

    public MoveChannelTests()
    {
        Assert.Equal(Errno.None, LibC.CreatePipe(out SafeFileHandle read, out _wire));
        _channel = new MoveChannel(read, LibC.Open("/dev/null", LibC.O_WRONLY, out _));
    }

    public void Dispose()
    {
        _channel.Dispose();
        _wire.Dispose();
    }

    [Fact]
    public void What_a_login_shell_writes_before_the_greeting_is_skipped()
    {
        Write("Welcome!\n\nPSCrac\n\n");
        Write(MoveProtocol.Greeting);
        Write([(byte)MoveFrame.Ready, 0, 0, 0, 0]);

        _channel.ReceiveGreeting(Enough, null);

        Assert.Equal(MoveFrame.Ready, _channel.Receive(Enough));
    }

    [Fact]
    public void A_shell_that_goes_on_writing_is_none()
    {
        Write(new string('x', 60_000));
        _wire.Dispose();

        Assert.Throws<MoveLinkException>(() => _channel.ReceiveGreeting(Enough, null));
    }

    [Theory]
    [InlineData(new byte[] { 0, 0, 0, 0, 0 })]
    [InlineData(new byte[] { 200, 0, 0, 0, 0 })]
    [InlineData(new byte[] { (byte)MoveFrame.Data, 0xff, 0xff, 0xff, 0xff })]
    [InlineData(new byte[] { (byte)MoveFrame.Data, 1, 0, 0x10, 0 })]
    public void What_is_no_frame_is_refused(byte[] bytes)
    {
        Write(bytes);

        Assert.Throws<MoveLinkException>(() => _channel.Receive(Enough));
    }

    [Fact]
    public void A_frame_that_is_cut_short_is_the_end_of_the_connection()
    {
        Write([(byte)MoveFrame.Data, 10, 0, 0, 0, 1, 2, 3]);
        _wire.Dispose();

        Assert.Throws<MoveLinkException>(() => _channel.Receive(Enough));
    }

    [Fact]
    public void A_message_that_cannot_be_read_is_refused()
    {
        byte[] text = Encoding.UTF8.GetBytes("""{"moveId":null}""");
        Write([(byte)MoveFrame.Image, (byte)text.Length, 0, 0, 0, .. text]);
        Assert.Equal(MoveFrame.Image, _channel.Receive(Enough));

        Assert.Throws<MoveLinkException>(() => _channel.Message(MoveJson.Default.MoveImage));
    }

    [Fact]
    public void Nothing_within_the_limit_is_no_frame_and_the_check_can_end_the_wait()
    {
        Assert.Null(_channel.Receive(TimeSpan.FromMilliseconds(30)));
        Assert.Throws<OperationCanceledException>(() => _channel.Receive(Timeout.InfiniteTimeSpan, static () => throw new OperationCanceledException()));
    }

    private void Write(string text) => Write(Encoding.UTF8.GetBytes(text));

    private void Write(ReadOnlySpan<byte> bytes) => Assert.True(LibC.TryWrite(_wire, bytes));
}
