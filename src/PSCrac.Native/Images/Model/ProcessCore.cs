using PSCrac.Images.Format;
using PSCrac.Images.Storage;

namespace PSCrac.Images.Model;

/// <summary>The process-wide data of core-PID.img and ids-PID.img.</summary>
internal sealed class ProcessCore
{
    internal string Command { get; private set; } = "";

    internal CracProcessState State { get; private set; }

    internal int ExitCode { get; private set; }

    /// <summary>The number N of the process's descriptor table fdinfo-N.img; 0 if it has none (a zombie).</summary>
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
                        core.ReadTask(entry.ReadMessage());
                        break;
                    case Wire.CoreEntry.Ids:
                        core.ReadIds(entry.ReadMessage());
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
                    uint state = task.ReadUInt32();
                    State = state is 1 or 2 or 3 or 6 ? (CracProcessState)state : CracProcessState.Unknown;
                    break;
                case Wire.TaskCoreEntry.ExitCode:
                    ExitCode = task.ReadInt32();
                    break;
                case Wire.TaskCoreEntry.Comm:
                    Command = task.ReadString();
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
                FilesId = ids.ReadUInt32();
            }
            else
            {
                ids.Skip();
            }
        }
    }
}
