# Restores beside what is there already: in pid namespaces of their own.

BeforeDiscovery {
    Import-Module "$PSScriptRoot/Support.psm1"
    $obstacle = Get-CriuObstacle
    $noUnshare = Get-CriuObstacle unshare
}

BeforeAll {
    Import-Module "$PSScriptRoot/Support.psm1"
    $folder = Enter-CracTest
}

AfterAll {
    Exit-CracTest
}

Describe "Restore-CracProcess -PidNamespace$(Get-SkipNote $obstacle)" -Skip:([bool] $obstacle) {
    BeforeEach {
        $work = (New-Item -ItemType Directory "$folder/$([guid]::NewGuid())").FullName
        $restored = @()
    }

    AfterEach {
        $restored | Where-Object { Test-Running $_.Id } | Stop-Process -Force
        Stop-TestProgram
    }

    It 'says who holds the id, and offers Auto' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -LeaveRunning
        { $image | Restore-CracProcess -ErrorAction Stop } | Should -Throw -ErrorId 'PidInUse,*' -ExceptionType ([PSCrac.CracException])
        $Error[0].ErrorDetails.Message | Should -Match "$id .*'sleep'"
        $Error[0].ErrorDetails.RecommendedAction | Should -Match '-PidNamespace Auto'
    }

    It 'goes beside it with Auto' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr" -LeaveRunning
        $restored = $image | Restore-CracProcess -PidNamespace Auto
        $restored.Id | Should -Not -Be $id
        $restored.ImageProcessId | Should -Be $id
        (Get-Process -Id $restored.NamespaceInitId).Id | Should -Be $restored.NamespaceInitId
        ($restored | Get-Process).Id | Should -Be $restored.Id
        Test-Running $id | Should -BeTrue
    }

    It 'restores an image twice side by side; Stop-Process ends one with its namespace' {
        $id = Start-TestProgram 'sleep 1000'
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr"
        $restored = 1..2 | ForEach-Object { $image | Restore-CracProcess -PidNamespace New }
        $restored[0] | Stop-Process
        $restored[0] | Wait-Process -ErrorAction Ignore
        Wait-Until { -not (Test-Running $restored[0].NamespaceInitId) } 'the first namespace ends'
        Test-Running $restored[1].Id | Should -BeTrue
    }

    It 'gives the exit code with -Wait' {
        $id = Start-TestProgram "bash -c 'until [ -e `"$work/go`" ]; do sleep 0.02; done; exit 42'"
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr"
        Set-Content "$work/go" ''
        ($image | Restore-CracProcess -PidNamespace New -Wait).ExitCode | Should -Be 42
    }

    It 'checkpoints what lives in such a namespace, and restores that' {
        $id = Start-TestProgram "bash -c 'i=0; while :; do i=`$((i+1)); echo `$i >> `"$work/n`"; sleep 0.03; done'"
        Wait-Count "$work/n" 3
        $image = Invoke-CracCheckpoint -Id $id -ImagePath "$work/cr0"
        foreach ($round in 1..2) {
            $restored = @($image | Restore-CracProcess -PidNamespace New)
            Wait-CountingOn "$work/n"
            $image = $restored | Invoke-CracCheckpoint -ImagePath "$work/cr$round"
            $image.RootProcessId | Should -Be $id
        }
        $restored = @($image | Restore-CracProcess -PidNamespace Host)
        $restored.Id | Should -Be $id
        Wait-CountingOn "$work/n"
        Find-Gap "$work/n" | Should -BeNullOrEmpty
    }

    It 'goes back into one unasked, and Test-CracImage judges by that' {
        $image = (Start-CracProcess sleep 1000 -PidNamespace New -ImagePath "$work/cr" -WarningAction Ignore).Image
        # Takes the id here.
        $restored = @($image | Restore-CracProcess -PidNamespace Host)
        $restored.NamespaceInitId | Should -BeNullOrEmpty
        $restored.Id | Should -Be $image.RootProcessId
        Test-CracImage "$work/cr" -Quiet | Should -BeTrue
        Test-CracImage "$work/cr" -Quiet -PidNamespace Host | Should -BeFalse
        $verbose = "$work/cr" | Restore-CracProcess -Verbose 4>&1 | ForEach-Object { if ($_ -is [PSCrac.CracRestoredProcess]) { $restored += $_ } else { "$_" } }
        $restored[1].NamespaceInitId | Should -BeGreaterThan 1
        $restored[1].ImageProcessId | Should -Be $restored[0].Id
        $verbose | Should -Contain 'It was in a pid namespace of its own at its checkpoint, too. -PidNamespace Host restores it outside.'
    }

    It "stays in the session's namespace with what was checkpointed there, inside a container$(Get-SkipNote $noUnshare)" -Skip:([bool] $noUnshare) {
        $script = @"
`$image = (Start-CracProcess sleep 1000 -ImagePath '$work/cr' -WarningAction Ignore).Image
`$restored = `$image | Restore-CracProcess
'{0} {1} [{2}]' -f `$image.RootProcessId, `$restored.Id, `$restored.NamespaceInitId
"@
        $words = (Invoke-ChildPwsh $script -Prefix unshare, '--pid', '--mount', '--fork', '--mount-proc', '--kill-child').Output.Split(' ')
        $words[1] | Should -Be $words[0]
        $words[2] | Should -Be '[]'
    }
}
