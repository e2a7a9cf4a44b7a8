BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Restore-CracProcess$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
    }

    AfterEach {
        Stop-TestProgram
    }

    It 'gives a running process, with what it took' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint $id "$work/cr"
        $restored = Restore-CracProcess "$work/cr"
        Test-Running $id | Should -BeTrue
        $restored.Id | Should -Be $id
        $restored.ImageProcessId | Should -Be $id
        $restored.Command | Should -Be 'sleep 1000'
        $restored.ProcessCount | Should -Be 1
        $restored.ImagePath | Should -Be $image.Path
        $restored.RestoreTime | Should -BeGreaterThan ([TimeSpan]::Zero)
        $restored.ExitCode | Should -BeNullOrEmpty
        $restored.PSObject.Properties.Name | Should -Not -Contain 'Name' -Because 'it would bind to Get-Process'
        $restored.PSObject.Properties.Name | Should -Not -Contain 'ProcessName' -Because 'it would bind to Wait-Process'
    }

    It 'leaves the restored process to init, not to this session' {
        $id = Start-TestProgram 'sleep 1000'
        $null = Invoke-CracCheckpoint $id "$work/cr"
        $child = Invoke-ChildPwsh "(Restore-CracProcess '$work/cr').Id"
        $child.Output | Should -Be $id
        Test-Running $id | Should -BeTrue -Because 'the session that restored it has ended, and the process goes on'
        (Get-Process -Id $id).Parent.Id | Should -Be 1
    }

    It 'restores the same image time after time' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint $id "$work/cr"
        foreach ($time in 1..2) {
            (Restore-CracProcess $image).Id | Should -Be $id
            Stop-Process -Id $id
        }
        (Restore-CracProcess $image).Id | Should -Be $id
    }

    It 'touches nothing with -WhatIf' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint $id "$work/cr"
        $said = Invoke-ChildPwsh "Restore-CracProcess '$work/cr' -WhatIf"
        $said.Output | Should -BeLike "What if:*$($image.Path)*sleep 1000 ($id)*"
        Test-Path "/proc/$id" | Should -BeFalse
    }

    Context 'with -Wait' {
        It 'stays until the process has ended and gives its exit code' {
            $id = Start-TestProgram "bash -c 'until [ -e $work/end ]; do read -t 0.03 <> <(:); done; exit 7'"
            $null = Invoke-CracCheckpoint $id "$work/cr"
            $null = New-Item "$work/end"
            $restored = Restore-CracProcess "$work/cr" -Wait
            $restored.ExitCode | Should -Be 7
            $restored.ExitSignal | Should -BeNullOrEmpty
            Test-Path "/proc/$id" | Should -BeFalse -Because 'it was reaped'
        }

        It 'gives 128 and the number of the signal that ended it' {
            $id = Start-TestProgram "bash -c 'until [ -e $work/end ]; do read -t 0.03 <> <(:); done; kill -TERM `$`$'"
            $null = Invoke-CracCheckpoint $id "$work/cr"
            $null = New-Item "$work/end"
            $restored = Restore-CracProcess "$work/cr" -Wait
            $restored.ExitCode | Should -Be 143
            $restored.ExitSignal | Should -Be 15
        }
    }

    Context 'with paths and names' {
        It 'takes a path with [1] in it by value and by -LiteralPath' {
            $id = Start-TestProgram 'sleep 1000'
            $image = Invoke-CracCheckpoint $id "$work/cr [1]"
            $image.Path | Should -Be "$work/cr [1]"
            ($image | Restore-CracProcess).Id | Should -Be $id
            Stop-Process -Id $id
            (Restore-CracProcess -LiteralPath "$work/cr [1]").Id | Should -Be $id
        }

        It 'restores every image that a wildcard finds, and passes over the rest' {
            $ids = 1..2 | ForEach-Object { Start-TestProgram 'sleep 1000' }
            $null = Get-Process -Id $ids | Invoke-CracCheckpoint -ImagePath { "$work/cr/$($_.Id)" }
            $null = New-Item -ItemType Directory "$work/cr/other"
            @(Restore-CracProcess "$work/cr/*" -ErrorAction Stop).Id | Sort-Object | Should -Be ($ids | Sort-Object)
        }

        It 'prefers a path that is here over a name under the image root' {
            $ids = 1..2 | ForEach-Object { Start-TestProgram 'sleep 1000' }
            $null = Invoke-CracCheckpoint $ids[0] -ImageName twice
            $null = Invoke-CracCheckpoint $ids[1] "$work/twice"
            Push-Location $work
            try { (Restore-CracProcess twice).Id | Should -Be $ids[1] } finally { Pop-Location }
        }
    }

    Context 'that cannot work' {
        It 'names the process that has the id, and mends by ending it' {
            $id = Start-TestProgram 'sleep 1000'
            $image = Invoke-CracCheckpoint $id "$work/cr" -LeaveRunning
            $failure = { Restore-CracProcess $image -ErrorAction Stop } | Should -Throw -ErrorId 'PidInUse,*' -PassThru
            $failure.Exception.Message | Should -Match "$id.*'sleep'"
            $failure.Exception.ProcessId | Should -Be $id
            $failure.ErrorDetails.RecommendedAction | Should -Match "Stop-Process -Id $id"
            Stop-Process -Id $id
            (Restore-CracProcess $image).Id | Should -Be $id
        }

        It 'says that a file is gone, and leaves nothing running' {
            Set-Content "$work/data" 'some bytes'
            $id = Start-TestProgram "bash -c 'exec 8<$work/data; sleep 1000; :'"
            Wait-Until { Test-Path "/proc/$id/fd/8" } 'the file is open'
            $null = Invoke-CracCheckpoint $id "$work/cr"
            Rename-Item "$work/data" away
            $failure = { Restore-CracProcess "$work/cr" -ErrorAction Stop } | Should -Throw -ErrorId 'FileMissing,*' -PassThru
            $failure.Exception.Message | Should -Match 'data'
            Wait-Until { -not (Test-Running $id) } 'nothing of the tree runs'
            Rename-Item "$work/away" data
            (Restore-CracProcess "$work/cr").Id | Should -Be $id
        }

        It 'says that a file has grown' {
            Set-Content "$work/data" 'some bytes'
            $id = Start-TestProgram "bash -c 'exec 8<$work/data; sleep 1000; :'"
            Wait-Until { Test-Path "/proc/$id/fd/8" } 'the file is open'
            $null = Invoke-CracCheckpoint $id "$work/cr"
            Add-Content "$work/data" 'some more'
            $failure = { Restore-CracProcess "$work/cr" -ErrorAction Stop } | Should -Throw -ErrorId 'FileChanged,*' -PassThru
            $failure.Exception.Message | Should -Match 'data'
        }

        It 'refuses an image with a file that is <What>' -ForEach @(
            @{ What = 'cut short'; Reason = 'ImageIncomplete'; Damage = { $f = [IO.File]::OpenWrite($args[0]); $f.SetLength($f.Length - 8); $f.Dispose() } }
            @{ What = 'missing'; Reason = 'ImageIncomplete'; Damage = { Remove-Item -LiteralPath $args[0] } }
            @{ What = 'changed'; Reason = 'ImageCorrupt'; Damage = { $b = [IO.File]::ReadAllBytes($args[0]); $b[-1] = $b[-1] -bxor 0xff; [IO.File]::WriteAllBytes($args[0], $b) } }
        ) {
            $id = Start-TestProgram 'sleep 1000'
            $image = Invoke-CracCheckpoint $id "$work/cr"
            & $Damage "$work/cr/core-$id.img"
            $failure = { Restore-CracProcess $image.Path -ErrorAction Stop } | Should -Throw -ErrorId "$Reason,*" -PassThru
            $failure.Exception.FileName | Should -Be "core-$id.img"
            $failure.Exception.ImagePath | Should -Be $image.Path
            Test-Path "/proc/$id" | Should -BeFalse
        }

        It 'refuses a damaged image of plain criu, too' {
            $id = Start-TestProgram 'sleep 1000'
            $image = Invoke-CracCheckpoint $id "$work/cr"
            Remove-Item "$work/cr/pscrac.json"
            $file = [IO.File]::OpenWrite("$work/cr/core-$id.img")
            $file.SetLength(20)
            $file.Dispose()
            $failure = { Restore-CracProcess $image.Path -ErrorAction Stop } | Should -Throw -PassThru
            $failure.FullyQualifiedErrorId | Should -Match '^(ImageIncomplete|ImageCorrupt),'
            Wait-Until { -not (Test-Running $id) } 'nothing of the tree runs'
        }
    }
}
