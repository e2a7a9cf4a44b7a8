using Microsoft.Win32.SafeHandles;
using PSCrac.Interop;

namespace PSCrac.Criu;

/// <summary>
/// Has the kernel ready for criu's breakpoints. At the end of a restore criu stops each task with one (compel_stop_pie in
/// compel's infect.c), which the kernel makes a performance event of. The first event of any task makes it switch on hooks
/// in its scheduler and wait until every processor has seen them (account_event in kernel/events/core.c), which takes 10 to
/// 30 ms. An event of our own, opened while criu still reads the image, has that behind it by then. The hooks stay on until
/// a second after the last event was closed.
/// </summary>
internal sealed class BreakpointPreparation : IDisposable
{
    private readonly Task<SafeFileHandle> _opening = Task.Run(static () => LibC.OpenIdleEvent(out _));

    /// <summary>Begins, and does not wait. Where events are not allowed, criu takes the time it takes without.</summary>
    internal static BreakpointPreparation Begin() => new();

    /// <summary>Closes the event, as soon as it is open.</summary>
    public void Dispose() => _opening.ContinueWith(static opened => opened.Result.Dispose(), TaskScheduler.Default);
}
