using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>What core-PID.img and ids-PID.img say of a process as a whole.</summary>
internal sealed class ProcessCore
{
    internal string Command { get; private set; } = "";

    internal CracProcessState State { get; private set; }

    internal int ExitCode { get; private set; }

    /// <summary>The descriptor table's number N in fdinfo-N.img; 0 where the process has none, as a zombie.</summary>
    internal uint FilesId { get; private set; }

    internal static ProcessCore Read(ImageSource source, int processId)
    {
        var core = new ProcessCore();
        using (ImageEntryReader entries = source.OpenEntries($"core-{(uint)processId}.img", ImageType.Core))
        {
            entries.MoveToFirst();
            ProtobufReader entry = entries.Reader;
            while (entry.MoveNext())
            {
                switch (entry.Field)
                {
                    case Wire.CoreEntry.Tc:
                        core.ReadTask(entry.Message());
                        break;
                    case Wire.CoreEntry.Ids:
                        core.ReadIds(entry.Message());
                        break;
                    default:
                        entry.Skip();
                        break;
                }
            }
        }

        using ImageEntryReader? ids = core.FilesId == 0 ? source.TryOpenEntries($"ids-{(uint)processId}.img", ImageType.Ids) : null;
        if (ids is not null && ids.MoveNext())
        {
            core.ReadIds(ids.Reader);
        }

        return core;
    }

    private void ReadTask(ProtobufReader task)
    {
        while (task.MoveNext())
        {
            switch (task.Field)
            {
                case Wire.TaskCoreEntry.TaskState:
                    uint state = task.UInt32();
                    State = state is 1 or 2 or 3 or 6 ? (CracProcessState)state : CracProcessState.Unknown;
                    break;
                case Wire.TaskCoreEntry.ExitCode:
                    ExitCode = task.Int32();
                    break;
                case Wire.TaskCoreEntry.Comm:
                    Command = task.String();
                    break;
                default:
                    task.Skip();
                    break;
            }
        }
    }

    private void ReadIds(ProtobufReader ids)
    {
        while (ids.MoveNext())
        {
            if (ids.Field == Wire.TaskKobjIdsEntry.FilesId)
            {
                FilesId = ids.UInt32();
            }
            else
            {
                ids.Skip();
            }
        }
    }
}
